"""Which rows differ on purpose: row id -> entry of differences.py."""

HTTP10_ACCEPTED = """
bad-http-10
llhttp-apache-bench-get-5e10347f
llhttp-connect-request-a5c9d083
llhttp-connect-request-with-caps-bdd495e1
llhttp-funky-content-length-with-body-2d9c35c0
llhttp-keep-alive-no-restart-when-keep-alive-is-off-1-0-b60fda5d
llhttp-keep-alive-resetting-flags-when-keep-alive-is-off-1-0-lenient-3f94d92f
"""

STRICT_FRAMING = """
ambiguous-bare-cr-value
ambiguous-bare-lf
ambiguous-bare-lf-header
ambiguous-chunk-data-lf
ambiguous-chunk-space
ambiguous-chunk-too-long
ambiguous-fold
ambiguous-fold-tab
ambiguous-tab-in-line
ambiguous-trailing-blank
ambiguous-two-blanks
ambiguous-two-hosts
llhttp-chunked-no-semicolon-before-chunk-extensions-3192e021
llhttp-cr-without-lf-in-header-value-should-be-rejected-even-with-relaxed-flag-4360c4bc
llhttp-empty-headers-separated-by-cr-73ddca53
llhttp-empty-headers-separated-by-lf-2c4a6407
llhttp-header-value-empty-headers-separated-by-cr-lenient-97df3025
llhttp-headers-separated-by-lf-830e5deb
llhttp-invalid-space-after-start-line-spaces-before-headers-9ce8cd1b
llhttp-invalid-space-after-start-line-spaces-before-headers-lenient-9ce8cd1b
llhttp-lf-in-header-value-should-be-rejected-even-with-relaxed-flag-2c4a6407
llhttp-missing-cr-between-headers-e25dc058
llhttp-parsing-multiple-tokens-multiple-tokens-with-folding-0189877d
smuggling-rxprespace-09
smuggling-rxprespace-0d
smuggling-rxprespace-20
smuggling-rxprespace-a0
smuggling-rxprespace-ff
smuggling-xprespace-0d
"""

TAGS = {
    **dict.fromkeys(HTTP10_ACCEPTED.split(), "http10_accepted"),
    **dict.fromkeys(STRICT_FRAMING.split(), "strict_framing"),
}
