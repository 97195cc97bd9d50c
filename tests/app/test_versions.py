from sb3_ext.app.versions import version_columns, versions, versions_text


def test_versions() -> None:
    found = versions()
    assert {"sb3-ext", "torch", "numpy"} <= set(found)
    assert version_columns(found)["version_rl_zoo3"] == found["rl-zoo3"]
    assert versions_text({"a": "1", "b": "2"}) == "a 1, b 2"
