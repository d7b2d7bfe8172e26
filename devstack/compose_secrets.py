"""Makes the secrets of docker-compose.yml: `make secrets`. What is there already stays.

Compose mounts the files as they are, and the processes in the containers have accounts of their
own: so each file can be read by all, and the folder around them is closed to all but its owner.
"""

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

FOLDER = Path("secrets")
_FOLDER_MODE, _FILE_MODE = 0o700, 0o444
SECRET_BYTES = 32
USER = "tapeworks"


def make_secrets(folder: Path) -> list[str]:
    """Write each secret that is missing; give the names of those written.

    Guarantee: never replaces a file. The database's address and the S3 credentials are made of the
    passwords that are there.
    """
    folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    folder.chmod(_FOLDER_MODE)
    return [name for name, value in _SECRETS.items() if _written(folder / name, value)]


def _written(path: Path, value: Callable[[Path], str]) -> bool:
    if path.exists():
        return False
    text = value(path.parent)
    # Aside first: a secret is there whole or not at all.
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    draft.write_text(text)
    draft.chmod(_FILE_MODE)
    draft.rename(path)
    return True


def _random(_: Path) -> str:
    return secrets.token_urlsafe(SECRET_BYTES)


def _admin_key(_: Path) -> str:
    return f"tw_{secrets.token_urlsafe(SECRET_BYTES)}"


def _database_url(folder: Path) -> str:
    password = (folder / "postgres_password").read_text().strip()
    return f"postgresql://{USER}:{password}@postgres:5432/{USER}"


def _encryption_key(_: Path) -> str:
    return f"{USER}:{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def _credentials(folder: Path) -> str:
    user, password = ((folder / name).read_text().strip() for name in ("s3_user", "s3_password"))
    return f"[default]\naws_access_key_id = {user}\naws_secret_access_key = {password}\n"


# In this order: the database's address and the credentials are made of what stands above them.
_SECRETS: dict[str, Callable[[Path], str]] = {
    "postgres_password": _random,
    "database_url": _database_url,
    # The simulator takes any key; for a real provider put its key into the file.
    "provider_key": _random,
    "admin_key": _admin_key,
    "media_signing_key": _random,
    "s3_user": lambda _: USER,
    "s3_password": _random,
    "s3_encryption_key": _encryption_key,
    "s3_credentials": _credentials,
}


if __name__ == "__main__":
    written = ", ".join(make_secrets(FOLDER)) or "nothing; all are there"
    print(f"written to {FOLDER}/: {written}")  # noqa: T201  a command speaks
