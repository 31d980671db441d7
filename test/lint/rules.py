"""What the lint checks hold the tree against. The table of layers is that of the design; every
exemption carries its reason and is reviewed like code."""

ALL = "*"

# A layer is a folder (the longest matching one counts) and the layers it may include beside itself.
PROXY = ["proxy/base", "proxy/io", "proxy/config", "proxy/stats", "proxy/http", "proxy/filter",
         "proxy/upstream", "proxy/router", "proxy/downstream", "proxy/lane"]
LAYERS = {
    "proxy/base": [],
    "proxy/io": ["proxy/base"],
    "proxy/config": ["proxy/base"],
    "proxy/stats": ["proxy/base"],
    "proxy/http": ["proxy/base", "proxy/io"],
    "proxy/filter": ["proxy/base", "proxy/io", "proxy/config", "proxy/stats", "proxy/http"],
    "proxy/upstream": ["proxy/base", "proxy/io", "proxy/config", "proxy/stats", "proxy/http"],
    "proxy/lane": PROXY[:7],
    "proxy/router": PROXY[:7],
    "proxy/downstream": PROXY[:8],
    "proxy/server": PROXY,
    "proxy/main.c": ALL,
    "xds/proto": [],
    "xds/decode": ["proxy/base", "proxy/config", "proxy/filter", "xds/proto", "xds/registry"],
    "xds/registry": ["proxy/base"],
    "xds": ["proxy/base", "proxy/io", "proxy/config", "proxy/stats", "proxy/filter",
            "proxy/upstream/grpc_client", "xds/decode", "xds/proto", "xds/registry"],
    "certs": ["proxy/base", "proxy/io", "proxy/config", "proxy/stats"],
    "filters/common": PROXY + ["xds/decode"],
    "filters/listener": PROXY + ["xds/decode", "filters/common"],
    "filters/network": PROXY + ["xds/decode", "filters/common"],
    "filters/http": PROXY + ["xds/decode", "filters/common"],
    "filters/access_log": PROXY + ["xds/decode", "filters/common"],
    "filters/tracer": PROXY + ["xds/decode", "filters/common"],
    "filters": PROXY + ["filters/common"],
    "test": ALL,
}

# Single files that a layer of another name owns.
FILE_LAYERS = {
    "xds/proto_registry.h": "xds/registry",
    "xds/proto_registry.c": "xds/registry",
}

# The declarations of all descriptors: a filter has no header of its own.
FILTER_TABLE = "filters/filter_table.h"

# One header for one layer that the table does not give it.
EDGES = {
}

# Libraries: how their headers start, and who may include them.
LIBRARIES = {
    "event2/": ["proxy/io", "proxy/server"],
    "ares": ["proxy/io"],
    "pcre2.h": ["proxy/config", "proxy/stats"],
    "http_parser.h": ["proxy/http/h1_codec"],
    "nghttp2/": ["proxy/http/h2_codec"],
    "xxhash.h": ["proxy/upstream", "proxy/lane"],
    "openssl/": ["certs"],
    "yaml.h": ["xds"],
    "jansson.h": ["proxy/server", "xds"],
    "zlib.h": ["filters"],
    "protobuf-c/": ["xds", "filters"],
    "valgrind/": ["test"],
    "criterion/": ["test/support"],
}
# Generated from .proto files: allowed where protobuf-c is.
GENERATED_PROTO = ".pb-c.h"

# Written by the build beside the tree.
GENERATED = {"proto_registry_table.h", "supported_fields_table.h"}

# What counts as libc: the C library and the kernel's own headers.
LIBC = {
    "alloca.h", "arpa/inet.h", "assert.h", "ctype.h", "dirent.h", "dlfcn.h", "elf.h", "emmintrin.h", "endian.h",
    "errno.h", "execinfo.h", "fcntl.h", "getopt.h", "grp.h", "ifaddrs.h", "immintrin.h", "inttypes.h", "limits.h",
    "link.h", "locale.h", "malloc.h", "math.h", "net/if.h", "netdb.h", "netinet/in.h", "netinet/ip.h",
    "netinet/tcp.h", "poll.h", "pthread.h", "pwd.h", "sched.h", "setjmp.h", "signal.h", "stdalign.h", "stdarg.h",
    "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h",
    "strings.h", "syslog.h", "termios.h", "time.h", "ucontext.h", "unistd.h", "wait.h",
}
LIBC_PREFIXES = ("sys/", "linux/", "asm/")

MAX_SOURCE = 500
MAX_HEADER = 260
MAX_SCRIPT = 500
LONG_FILES = {}

# Exported variables that are not const.
VARIABLES = {
    "lk_log_levels": "read before every log line, so the check must be inline; atomics, set by the log only",
    "lk_stats_thread": "the index of the thread's slab, needed inline by every count; thread-local, set once",
}

TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "README.md", "LICENSE", "proxy", "filters", "xds", "certs", "test",
             "docker"}
# Where builds of the presets go; ignored by version control.
TOP_LEVEL_LOCAL = {"build"}

# Product sources without a unit test of the same name, by file or folder.
UNTESTED = {}
