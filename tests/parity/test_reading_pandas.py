"""What pandas makes of files that are read. Here, because Airbyte's framework brings pandas: where that is installed, pyarrow
imports it into each process that makes Python's values of a column, which takes half a second."""

from pathlib import Path

import pandas as pd

import file_cdk


def test_a_frame_has_the_rows_with_their_gaps(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("id,item\n1,quince\n2,\n3,medlar\n")
    frame = file_cdk.read(tmp_path).to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert frame["id"].tolist() == [1, 2, 3]
    assert frame["item"].isna().tolist() == [False, True, False]
