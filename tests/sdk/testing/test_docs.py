"""The page on testing: its code runs."""

import re
import textwrap
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "sdk-testing.rst"


def test_the_code_of_the_page_runs():
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:    .*\n|\n)+)", PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 3
    code = "\n".join(textwrap.dedent(block) for block in blocks)
    names: dict = {"__name__": "page"}
    exec(compile(code, str(PAGE), "exec"), names)
    assert [call.function_id for call in names["fake"].outgoing] == ["mail::send", "mail::send"]
