from sb3_ext.common.wording import printable


def test_text_for_a_terminal_shows_what_would_control_it() -> None:
    assert printable("a\x1b[2Jb\r\u202ec\ud800") == "a\\x1b[2Jb\\r\\u202ec\\ud800"
    assert printable("Größe 中文 👩‍🎨\tx\ny") == "Größe 中文 👩‍🎨\tx\ny"
