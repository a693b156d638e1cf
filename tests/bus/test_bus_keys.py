"""Keys: made, rotated, retired, revoked; files that others can read are refused; the authenticator fails closed."""

from pathlib import Path
from typing import Any

import pytest
import zmq
from zmq.utils import z85

from puna.bus.keys import Authenticator, KeyStore, Role
from puna.bus.sockets import DOMAIN
from puna.errors import ConfigError


def asked(authenticator: Authenticator, key: bytes, domain: bytes = DOMAIN, mechanism: bytes = b"CURVE") -> list[bytes]:
    """The answer to a handshake, as ZeroMQ asks for it."""
    return authenticator.answer([b"1.0", b"7", domain, b"127.0.0.1", b"", mechanism, key])


def test_files_are_private_and_roles_are_kept(store: KeyStore) -> None:
    """Folder 0700, files 0600; a peer keeps the roles it was made with."""
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {0o600}
    assert store.peers()["model"].roles == (Role.WATCH, Role.SIGNALS, Role.INTENTS)
    assert "secret" not in repr(store.server("model"))


def test_a_rotation_accepts_both_keys_until_the_old_one_retires(store: KeyStore, context: "zmq.Context[Any]") -> None:
    """Rotate, then retire: the old key gets in meanwhile, and not afterwards; revoke ends both."""
    authenticator = Authenticator(context, store)
    old = z85.decode(store.peers()["model"].keys[0])
    new = z85.decode(store.rotate("model").keys[0])
    assert old != new
    assert [asked(authenticator, key)[2] for key in (old, new)] == [b"200", b"200"]
    assert asked(authenticator, new)[4] == b"model"
    store.retire("model")
    assert [asked(authenticator, key)[2] for key in (old, new)] == [b"400", b"200"]
    store.revoke("model")
    assert [asked(authenticator, key)[2] for key in (old, new)] == [b"400", b"400"]
    assert authenticator.roles("model") == ()
    authenticator._socket.close()


def test_whatever_is_not_clearly_allowed_is_refused(store: KeyStore, context: "zmq.Context[Any]") -> None:
    """Another domain, another mechanism, a short request, a broken or open file: no."""
    authenticator = Authenticator(context, store)
    key = z85.decode(store.peers()["model"].keys[0])
    assert asked(authenticator, key)[2] == b"200"
    assert asked(authenticator, key, domain=b"")[2] == b"400"
    assert asked(authenticator, key, mechanism=b"NULL")[2] == b"400"
    assert asked(authenticator, b"short")[2] == b"400"
    assert authenticator.answer([])[2] == b"400"
    path = store.folder / "peers.json"
    path.write_text("{")
    assert asked(authenticator, key)[2] == b"400"
    authenticator._socket.close()


def test_loose_files_and_bad_names_are_errors(store: KeyStore, tmp_path: Path) -> None:
    """A secret that others can read, a link in its place, a name that is none or taken: E037."""
    secret = store.folder / "model.secret"
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="read by others"):
        store.server("model")
    secret.chmod(0o600)
    secret.replace(tmp_path / "elsewhere")
    secret.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="E037"):
        store.server("model")
    for name in ("", "Model", "../x", "a" * 40, "watcher"):
        with pytest.raises(ConfigError, match="E037"):
            store.create(name)
    with pytest.raises(ConfigError, match="not known"):
        store.client("watcher", "nobody")
