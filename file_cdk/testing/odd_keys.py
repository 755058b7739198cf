"""Keys that stores accept and that clients are known to get wrong, and near misses that they are taken for."""

PROVERBIAL_KEYS = (
    "a//b.csv",
    "/lead.csv",
    "a/../c.csv",
    "./dot.csv",
    "new\nline.csv",
    "sp ace/ü.csv",
    "pct%20x.csv",
    "q?x=1.csv",
    "emoji😀.csv",
)
"""Empty, `.` and `..` segments, control characters, and what a URL or an XML page has to escape."""

LONG_KEY = "/".join(["long" * 50] * 4) + ".csv"
"""807 bytes; the limit of the clouds is 1,024."""

LONG_NAME = "n" * 240 + ".csv"
"""244 bytes in one segment; the limit of file systems is 255."""

ODD_KEYS = (
    *PROVERBIAL_KEYS,
    "plus+plus.csv",
    "hash#fragment.csv",
    "and&amp;more.csv",
    "less<than>.csv",
    "equals=1&b=2.csv",
    "~tilde.csv",
    "quo'te\".csv",
    "semi;colon,comma:colon.csv",
    "bra[ck]{et}s(1)*.csv",
    "pct%2Fslash.csv",
    "pct%zz.csv",
    "u%C3%BC.csv",
    " blanks both ends ",
    "tab\tin.csv",
    "return\r.csv",
    "back\\slash.csv",
    "trailing.dot.",
    "...",
    "no-break\u00a0space.csv",
    "composed-\u00e9.csv",
    "composed-e\u0301.csv",
    "Case.csv",
    "case.csv",
    "beside",
    "beside/inside.csv",
    "archive.zip!member.csv",
    LONG_KEY,
    LONG_NAME,
    "\U0010fffd-last-plane.csv",
)
"""Also: what signatures and query strings encode differently, the two Unicode forms of one letter, names that differ in case
alone, a key beside a folder of its name, and long ones."""

NEAR_MISSES = (
    "a/b.csv",
    "lead.csv",
    "c.csv",
    "dot.csv",
    "sp+ace/ü.csv",
    "pct x.csv",
    "q",
    "plus plus.csv",
    "hash",
    "and&more.csv",
    "pct/slash.csv",
    "uü.csv",
    "blanks both ends",
    "back/slash.csv",
    "trailing.dot",
    "no-break space.csv",
)
"""What a client that normalises, decodes or cuts one of ODD_KEYS would read instead. Plain keys that any store takes."""
