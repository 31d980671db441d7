#!/usr/bin/env python3
"""Each rule of the lint must find what breaks it and leave alone what does not."""

import os
import subprocess
import sys
import tempfile
import unittest

import lint
import rules


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name
        self.addCleanup(self.folder.cleanup)

    def write(self, path, content):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(content)

    def problems(self, check):
        return list(lint.CHECKS[check](self.root))

    def assert_one(self, check, *parts):
        problems = self.problems(check)
        self.assertEqual(len(problems), 1, problems)
        for part in parts:
            self.assertIn(part, problems[0])

    def assert_none(self, check):
        self.assertEqual(self.problems(check), [])


class IncludeGraph(Tree):
    def include(self, path, header):
        self.write(path, f"#pragma once\n#include {header}\n")

    def test_downward_edges_pass(self):
        self.include("proxy/http/a.c", '"proxy/io/buf.h"')
        self.include("proxy/server/a.c", '"proxy/downstream/session.h"')
        self.include("proxy/main.c", '"filters/filter_table.h"')
        self.include("filters/http/a.c", '"filters/common/engine.h"')
        self.include("test/unit/proxy/io/test_a.c", '"proxy/server/worker.h"')
        self.include("xds/ads.c", '"proxy/upstream/grpc_client.h"')
        self.assert_none("include_graph")

    def test_upward_edge_fails(self):
        self.include("proxy/io/a.c", '"proxy/http/path.h"')
        self.assert_one("include_graph", "proxy/io/a.c", "proxy/http/path.h")

    def test_sibling_edges_fail(self):
        self.include("filters/http/a.c", '"filters/network/b.h"')
        self.assert_one("include_graph", "filters/network/b.h")

    def test_xds_sees_only_the_client_of_upstream(self):
        self.include("xds/ads.c", '"proxy/upstream/pool.h"')
        self.assert_one("include_graph", "proxy/upstream/pool.h")

    def test_certs_and_xds_do_not_meet(self):
        self.include("certs/a.c", '"xds/ads.h"')
        self.assert_one("include_graph", "xds/ads.h")

    def test_protobuf_stays_out_of_proxy(self):
        self.include("proxy/config/a.c", "<protobuf-c/protobuf-c.h>")
        self.assert_one("include_graph", "protobuf-c")

    def test_generated_messages_stay_out_of_proxy(self):
        self.include("proxy/config/a.c", '"envoy/type/v3/percent.pb-c.h"')
        self.include("filters/http/b.c", '"envoy/type/v3/percent.pb-c.h"')
        self.assert_one("include_graph", "proxy/config/a.c")

    def test_libraries_have_their_users(self):
        self.include("proxy/http/h1_codec.c", "<http_parser.h>")
        self.include("proxy/http/h1_codec_parse.c", "<stdio.h>")
        self.include("proxy/http/path.c", "<http_parser.h>")
        self.assert_one("include_graph", "proxy/http/path.c", "http_parser.h")

    def test_unknown_headers_fail(self):
        self.include("proxy/base/a.c", "<glib.h>")
        self.assert_one("include_graph", "glib.h")

    def test_relative_includes_fail(self):
        self.include("proxy/base/a.c", '"str.h"')
        self.assert_one("include_graph", "str.h")


class OtherRules(Tree):
    def test_long_files_fail(self):
        self.write("proxy/base/a.c", "\n" * (rules.MAX_SOURCE + 1))
        self.write("proxy/base/b.c", "\n" * rules.MAX_SOURCE)
        self.write("proxy/base/b.h", "\n" * (rules.MAX_HEADER + 1))
        self.assertEqual(len(self.problems("file_length")), 2 + len(rules.LONG_FILES))

    def filter(self, row, test):
        self.write("filters/http/cors.c", "const struct lk_http_filter lk_cors_filter = {\n};\n")
        self.write("filters/http/cors_policy.c", "int lk_cors_policy;\n")
        self.write("filters/filter_table.c", "&lk_cors_filter,\n" if row else "&lk_cors_filter2,\n")
        if test:
            self.write("test/unit/filters/http/test_cors.c", "")

    def test_complete_filter_passes(self):
        self.filter(True, True)
        self.assert_none("filters")

    def test_filter_without_row_fails(self):
        self.filter(False, True)
        self.assert_one("filters", "lk_cors_filter", "row")

    def test_filter_without_test_fails(self):
        self.filter(True, False)
        self.assert_one("filters", "test_cors.c")

    def test_stray_file_fails(self):
        self.filter(True, True)
        self.write("filters/http/stray.c", "")
        self.assert_one("filters", "stray.c")

    def test_top_level_is_fixed(self):
        self.write("proxy/a.c", "")
        self.write(".clang-format", "")
        self.write("notes.txt", "")
        self.assert_one("top_level", "notes.txt")

    def test_layers_have_tests_and_tests_mirror(self):
        self.write("proxy/base/str.c", "")
        self.write("proxy/io/buf.c", "")
        self.write("test/unit/proxy/base/test_str.c", "")
        self.assert_one("sources_tested", "proxy/io")
        self.write("test/unit/proxy/io/buf.c", "")
        self.write("test/unit/proxy/gone/test_x.c", "")
        problems = "\n".join(self.problems("sources_tested"))
        self.assertIn("not named test_*.c", problems)
        self.assertIn("mirrors no folder", problems)

    def test_unfinished_business_fails(self):
        self.write("proxy/base/a.h", "#pragma once\n/* TO" "DO */\n")
        self.assert_one("text", "a.h:2")

    def test_blanks_and_missing_guard_fail(self):
        self.write("proxy/base/a.h", "int a; \n")
        self.assertEqual(len(self.problems("text")), 2)


class ExportedVariables(Tree):
    def test_only_writable_globals_are_found(self):
        source = ("int lk_bad = 1;\nint lk_zero;\n_Thread_local int lk_local;\nstatic int mine;\n"
                  "const char *const lk_names[] = {\"a\"};\nconst int lk_number = 3;\nint lk_f(void);\n"
                  "int lk_f(void)\n{\n    return mine++;\n}\n")
        self.write("a.c", source)
        built = os.path.join(self.root, "a.o")
        subprocess.run(["cc", "-c", "-fPIC", "-fdata-sections", "-fvisibility=hidden", "-o", built,
                        os.path.join(self.root, "a.c")], check=True)
        problems = [p for p in lint.exported_variables(self.root, [built]) if "VARIABLES names" not in p]
        self.assertEqual(sorted(p.split()[1] for p in problems), ["lk_bad", "lk_local", "lk_zero"])


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main()
