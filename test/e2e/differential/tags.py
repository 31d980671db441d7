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
ambiguous-chunk-junk
ambiguous-chunk-space
ambiguous-chunk-too-long
ambiguous-fold
ambiguous-fold-tab
ambiguous-tab-in-line
ambiguous-trailing-blank
ambiguous-two-blanks
ambiguous-two-hosts
answer-bare-cr
answer-bare-lf
answer-fold
answer-http2
answer-status-0
answer-status-1000
answer-status-99
answer-switch
llhttp-chunked-no-extension-after-semicolon-4b6e6132
llhttp-chunked-no-semicolon-before-chunk-extensions-3192e021
llhttp-cr-without-lf-in-header-value-should-be-rejected-even-with-relaxed-flag-4360c4bc
llhttp-empty-headers-separated-by-cr-73ddca53
llhttp-empty-headers-separated-by-lf-2c4a6407
llhttp-header-value-empty-headers-separated-by-cr-lenient-97df3025
llhttp-headers-separated-by-cr-8c724b91
llhttp-headers-separated-by-lf-830e5deb
llhttp-invalid-obs-fold-after-chunked-value-97a1cb7f
llhttp-invalid-obs-fold-after-chunked-value-chunk-data-not-terminated-by-crlf-3358dbfb
llhttp-invalid-space-after-start-line-only-lfs-present-53a2fbc0
llhttp-invalid-space-after-start-line-only-lfs-present-lenient-8bd37606
llhttp-invalid-space-after-start-line-spaces-before-headers-9ce8cd1b
llhttp-invalid-space-after-start-line-spaces-before-headers-lenient-9ce8cd1b
llhttp-keep-alive-not-treating-r-as-b3a0e7ef
llhttp-lf-in-header-value-should-be-rejected-even-with-relaxed-flag-2c4a6407
llhttp-line-folding-in-header-value-with-crlf-6b40f1cd
llhttp-line-folding-in-header-value-with-lf-d949eb8a
llhttp-missing-cr-between-headers-e25dc058
llhttp-parsing-multiple-tokens-multiple-tokens-with-folding-0189877d
llhttp-parsing-multiple-tokens-multiple-tokens-with-folding-lws-and-crlf-761d9507
llhttp-x-ssl-nonsense-ab0b566b
smuggling-endspace-0a
smuggling-endspace-0d
smuggling-endspacerx-01
smuggling-endspacerx-04
smuggling-endspacerx-08
smuggling-endspacerx-09
smuggling-endspacerx-0b
smuggling-endspacerx-0c
smuggling-endspacerx-0d
smuggling-endspacerx-1f
smuggling-endspacerx-20
smuggling-endspacerx-7f
smuggling-endspacerx-a0
smuggling-endspacerx-ff
smuggling-endspacex-0a
smuggling-endspacex-0d
smuggling-endspacexn-09
smuggling-endspacexn-0a
smuggling-endspacexn-20
smuggling-endspacexn-a0
smuggling-endspacexn-ff
smuggling-midspace-0d
smuggling-prespace-0a
smuggling-rxprespace-01
smuggling-rxprespace-04
smuggling-rxprespace-08
smuggling-rxprespace-09
smuggling-rxprespace-0b
smuggling-rxprespace-0c
smuggling-rxprespace-0d
smuggling-rxprespace-1f
smuggling-rxprespace-20
smuggling-rxprespace-7f
smuggling-rxprespace-a0
smuggling-rxprespace-ff
smuggling-xnprespace-09
smuggling-xnprespace-0a
smuggling-xnprespace-20
smuggling-xnprespace-a0
smuggling-xnprespace-ff
smuggling-xprespace-0a
smuggling-xprespace-0d
ten-chunked-request
"""

SAFER_KEEPALIVE_REPLAY = """
cut-nothing
retry-drop-all
retry-none-drop
"""

TAGS = {
    **dict.fromkeys(HTTP10_ACCEPTED.split(), "http10_accepted"),
    **dict.fromkeys(STRICT_FRAMING.split(), "strict_framing"),
    **dict.fromkeys(SAFER_KEEPALIVE_REPLAY.split(), "safer_keepalive_replay"),
}
