"""Excel: XML that one parser misreads is read by the other, mended or refused; nothing becomes null or another value."""

import io
import zipfile
from typing import Any

import pytest
from workbook_records import records_of, refusal_of

from file_cdk.core.ports import SplitReport

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
DTD = '<!DOCTYPE x [<!ENTITY e "7">]>'
HEADER = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1" t="inlineStr"><is><t>b</t></is></c></row>'

SHEET = "xl/worksheets/sheet1.xml"
TEXTS = "xl/sharedStrings.xml"
STYLES = "xl/styles.xml"
BOOK = "xl/workbook.xml"
RELATIONS = "xl/_rels/workbook.xml.rels"


def types(*parts: tuple[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{kind}+xml"/>'
        for name, kind in parts
    )
    default = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'{XML}<Types xmlns="{PACKAGE}/content-types">{default}{overrides}</Types>'


def relations(**targets: str) -> str:
    """By the kinds of the parts, in the order of their numbers."""
    tags = "".join(
        f'<Relationship Id="rId{number}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets.items(), 1)
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{tags}</Relationships>'


def texts(*items: str) -> str:
    inside = "".join(f"<si><t>{item}</t></si>" for item in items)
    return f'{XML}<sst xmlns="{MAIN}" count="{len(items)}" uniqueCount="{len(items)}">{inside}</sst>'


def sheet(rows: str) -> str:
    return f'{XML}<worksheet xmlns="{MAIN}"><sheetData>{HEADER}{rows}</sheetData></worksheet>'


def parts() -> dict[str, str | bytes]:
    return {
        "[Content_Types].xml": types(
            (BOOK, "sheet.main"), (SHEET, "worksheet"), (TEXTS, "sharedStrings"), (STYLES, "styles")
        ),
        "_rels/.rels": relations(officeDocument="xl/workbook.xml"),
        BOOK: f'{XML}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
        RELATIONS: relations(worksheet="worksheets/sheet1.xml", sharedStrings="sharedStrings.xml", styles="styles.xml"),
        SHEET: sheet('<row r="2"><c r="A2" s="1"><v>43831</v></c><c r="B2" t="s"><v>1</v></c></row>'),
        TEXTS: texts("zero", "öne"),
        STYLES: f'{XML}<styleSheet xmlns="{MAIN}"><numFmts count="1"><numFmt numFmtId="170" formatCode="yyyy-mm-dd"/></numFmts>'
        '<fonts count="1"><font/></fonts><fills count="1"><fill><patternFill/></fill></fills><borders count="1"><border/>'
        '</borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="170"/>'
        "</cellXfs></styleSheet>",
    }


WHOLE = [{"a": "2020-01-01T00:00:00.000000", "b": "öne"}]


def packed(members: dict[str, str | bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def xlsx(changes: dict[str, str | bytes] | None = None, *, without: str = "") -> bytes:
    return packed({name: data for name, data in (parts() | (changes or {})).items() if name != without})


def with_cells(cells: str, items: tuple[str, ...] = ("zero", "one")) -> bytes:
    return xlsx({SHEET: sheet(f'<row r="2">{cells}</row>'), TEXTS: texts(*items)})


def records(data: bytes, report: SplitReport | None = None) -> list[dict[str, Any]]:
    return records_of(data, "in/a.xlsx", report)


def refused(data: bytes) -> str:
    return refusal_of(data, "in/a.xlsx")


def test_the_workbook_that_the_others_are_made_of_is_read() -> None:
    assert records(xlsx()) == WHOLE


# Declarations and encodings


@pytest.mark.parametrize("part", [SHEET, TEXTS, STYLES, BOOK, RELATIONS, "_rels/.rels", "[Content_Types].xml"])
@pytest.mark.parametrize("before", ["", "<!-- a remark -->\n<?pi?> ", "<!--" + "x" * 9000 + "-->"])
def test_a_dtd_is_refused_in_every_part(part: str, before: str) -> None:
    text = str(parts()[part]).replace(XML, XML + before + DTD)
    assert f"part '{part}' of the workbook has a document type declaration (DTD)" in refused(xlsx({part: text}))
    assert "(DTD)" in refused(xlsx({part: text.encode("utf-16")}))


@pytest.mark.parametrize("part", [SHEET, TEXTS, STYLES, BOOK])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252", "utf-8-sig"])
def test_every_part_in_every_encoding(part: str, encoding: str) -> None:
    text = str(parts()[part]).replace("UTF-8", "UTF-16" if encoding.startswith("utf-16") else encoding[:12])
    text = text.replace("utf-8-sig", "UTF-8")
    assert records(xlsx({part: text.encode(encoding)})) == WHOLE


def test_an_encoding_that_nobody_knows_is_refused() -> None:
    for encoding in ("klingon", "base64"):
        text = str(parts()[TEXTS]).replace("UTF-8", encoding)
        assert f"is in an encoding that is not known, '{encoding}'" in refused(xlsx({TEXTS: text}))


def test_bytes_that_are_not_in_the_declared_encoding_are_refused() -> None:
    assert refused(xlsx({TEXTS: str(parts()[TEXTS]).encode("latin-1")}))
    assert "is not in the encoding that it declares" in refused(
        xlsx({TEXTS: str(parts()[TEXTS]).replace("UTF-8", "shift_jis").encode("cp1252")})
    )


# Cells


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ('<c r="A2"><v>&#49;2</v></c>', 12),
        ('<c r="A2"><v><![CDATA[1]]>2</v></c>', 12),
        ('<c r="A2"><v>1<!-- remark -->2</v></c>', 12),
        ('<c r="A2"><v>1<?pi?>2</v></c>', 12),
        ('<c r="A2"><v>\n 12\n </v></c>', 12),
        ('<c r="A2" t="str"><v><![CDATA[x<y]]></v></c>', "x<y"),
        ('<c r="A2" t="str"><v>a&#65;b &amp; c</v></c>', "aAb & c"),
        ('<c r="A2" t="s"><v> 1 </v></c>', "one"),
        ('<c r="A2" t="s"><v>2</v></c>', "a&b"),
        ('<c r="A2" t="inlineStr"><is><t>x<![CDATA[<z>]]>&#x41;<!--c-->y</t></is></c>', "x<z>Ay"),
        (
            '<c r="A2" t="inlineStr"><is><r><t>ri</t></r><r><t>ch</t></r><rPh sb="0" eb="1"><t>no</t></rPh></is></c>',
            "rich",
        ),
        ('<c r="A2" t="b"><v>true</v></c>', True),
    ],
)
def test_values_that_are_written_in_odd_ways(cells: str, expected: Any) -> None:
    assert records(with_cells(cells, ("zero", "one", "a&amp;b"))) == [{"a": expected}]


@pytest.mark.parametrize(
    "cells",
    [
        '<c r="A2" t="s"><v>-1</v></c>',
        '<c r="A2" t="s"><v>1.0</v></c>',
        '<c r="A2" t="s"><v>one</v></c>',
        '<c r="A2" t="s"><v>9</v></c>',
        "<c r='A2' t='s'><v>-1</v></c>",
        '<c r="A2" t="inlineStr"><v>text</v></c>',
        '<c r="A2" t="b"><v>maybe</v></c>',
        '<c r="A2" t="b"><v>2</v></c>',
        '<c r="A2"><v>&undeclared;</v></c>',
        '<c r="B2"><v>2</v></c><c r="A2"><v>1</v></c><!-- openpyxl reads these in order alone -->',
    ],
)
def test_values_that_cannot_be_told_are_refused(cells: str) -> None:
    assert "sheet 'S'" in refused(with_cells(cells))


def test_a_second_body_of_a_sheet_is_read_too() -> None:
    more = '<row r="2"><c r="A2"><v>1</v></c></row></sheetData><sheetData><row r="3"><c r="A3"><v>2</v></c></row>'
    assert records(xlsx({SHEET: sheet(more)})) == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("cell", ["<c r='A2' t='e'><v>#N/A</v></c>", '<c r="A2" t = "e"><v>#N/A</v></c>'])
def test_error_values_are_counted_however_they_are_quoted(cell: str) -> None:
    report = SplitReport()
    assert records(with_cells(cell + '<c r="B2"><v>1</v></c>'), report) == [{"b": 1}]
    assert list(report.warnings.values()) == [1]


def test_errors_of_newer_programs_are_counted() -> None:
    report = SplitReport()
    cells = '<c r="A2" t="e"><v>#SPILL!</v></c><c r="B2"><v>1</v></c>'
    assert records(with_cells(cells), report) == [{"b": 1}]
    assert list(report.warnings.values()) == [1]


def test_cells_and_rows_without_places_or_in_disorder() -> None:
    rows = "<row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3</v></c></row>"
    assert records(xlsx({SHEET: sheet(rows)})) == [{"a": 1, "b": 2}, {"a": 3}]
    rows = '<row r="3"><c r="B3"><v>4</v></c><c r="A3"><v>3</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
    assert records(xlsx({SHEET: sheet(rows)})) == [{"a": 1}, {"a": 3, "b": 4}]


def test_prefixes_are_of_no_matter() -> None:
    text = (
        str(parts()[SHEET])
        .replace("<", "<x:")
        .replace("<x:/", "</x:")
        .replace("<x:?", "<?")
        .replace("xmlns=", "xmlns:x=")
    )
    assert records(xlsx({SHEET: text})) == WHOLE
    assert records(xlsx({SHEET: text.replace("<x:v>43831<", "<x:v>43<!---->831<")})) == WHOLE


def test_escaped_characters_are_unescaped_by_both_parsers() -> None:
    cell = '<c r="A2" t="inlineStr"><is><t>a_x000D_b_x005F_x000D__x0041_</t></is></c>'
    assert records(with_cells(cell)) == [{"a": "a\rb_x000D_A"}]
    assert records(with_cells(cell + "<!-- -->")) == [{"a": "a\rb_x000D_A"}]


# Parts


@pytest.mark.parametrize(
    "target", ["/xl/worksheets/sheet1.xml", "./worksheets/sheet1.xml", "../xl/worksheets/sheet1.xml"]
)
def test_sheets_are_found_where_relations_say(target: str) -> None:
    changed = relations(worksheet=target, sharedStrings="/xl/sharedStrings.xml", styles="styles.xml")
    assert records(xlsx({RELATIONS: changed})) == WHOLE


@pytest.mark.parametrize("old", [True, False])
def test_texts_and_styles_are_found_where_relations_say(old: bool) -> None:
    moved: dict[str, str | bytes] = {
        "xl/t.xml": parts()[TEXTS],
        "xl/s.xml": parts()[STYLES],
        RELATIONS: relations(worksheet="worksheets/sheet1.xml", sharedStrings="t.xml", styles="s.xml"),
    }
    if old:
        assert (
            records(xlsx(moved | {TEXTS: texts("wrong", "wrong"), STYLES: f'{XML}<styleSheet xmlns="{MAIN}"/>'}))
            == WHOLE
        )
    else:
        members = parts() | moved
        del members[TEXTS], members[STYLES]
        assert records(packed(members)) == WHOLE


@pytest.mark.parametrize("name", [str.upper, lambda name: name.replace("/", "\\"), lambda name: name.replace("s", "S")])
def test_names_of_parts_are_compared_without_case(name: Any) -> None:
    assert records(packed({name(part): data for part, data in parts().items()})) == WHOLE


def test_texts_that_are_missing_are_refused() -> None:
    assert refused(xlsx(without=TEXTS))


@pytest.mark.parametrize("declared", ['"4000000000"', "'4000000000'", '"0"', '"1"'])
def test_how_many_texts_are_declared_does_not_matter(declared: str) -> None:
    text = str(parts()[TEXTS]).replace('uniqueCount="2"', f"uniqueCount={declared}")
    assert records(xlsx({TEXTS: text})) == WHOLE
    assert records(xlsx({TEXTS: text.encode("utf-16")})) == WHOLE


def test_sixteen_thousand_columns_of_one_name() -> None:
    cells = "<c><v>1</v></c>" * 16_384
    text = f'{XML}<worksheet xmlns="{MAIN}"><sheetData><row>{cells}</row><row>{cells}</row></sheetData></worksheet>'
    (record,) = records(xlsx({SHEET: text}))
    assert list(record) == ["1", *(f"1.{number}" for number in range(1, 16_384))]
