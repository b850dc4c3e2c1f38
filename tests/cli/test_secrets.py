import stat

from prefsvc.vault import SECRET_BYTES


def test_secrets_are_made_for_their_owner_alone(prefsvc, tmp_path):
    folder = tmp_path / "new" / "secrets"
    ran = prefsvc("secrets", "make", "--folder", folder)
    assert (ran.code, ran.err) == (0, "")
    assert all(name in ran.out for name in SECRET_BYTES)
    assert "Back this folder up" in ran.out
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert not any(file.read_text().strip() in ran.out for file in folder.iterdir())


def test_a_secret_that_is_there_is_never_touched(prefsvc, tmp_path):
    (tmp_path / "pepper").write_text("mine")
    made = prefsvc("secrets", "make", "--folder", tmp_path)
    assert "pepper" not in made.out.partition("(in")[0]
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    again = prefsvc("secrets", "make", "--folder", tmp_path)
    assert again.out == f"Made nothing: all were there (in {tmp_path}).\n"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == kept
    assert kept["pepper"] == b"mine"


def test_secrets_go_where_the_service_will_look(prefsvc, tmp_path):
    assert prefsvc("secrets", "make", secrets_dir=tmp_path / "here").code == 0
    assert (tmp_path / "here" / "token_keys").is_file()


def test_a_folder_that_cannot_be_made_is_named(prefsvc, tmp_path):
    (tmp_path / "file").touch()
    ran = prefsvc("secrets", "make", "--folder", tmp_path / "file" / "secrets")
    assert (ran.code, ran.out) == (1, "")
    assert f"Secrets cannot be kept in {tmp_path / 'file' / 'secrets'}" in ran.err
