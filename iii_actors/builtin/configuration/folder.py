"""A file for each entry, and edits of them by others (adapter ``fs``)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from iii_actors.builtin.configuration.errors import AdapterFailed
from iii_actors.config.persisted import Saved
from iii_actors.errors import ConfigError
from iii_actors.limits import CONFIGURATION_BYTES, SETTINGS_QUIET_MS
from iii_actors.watching import changes

__all__ = ["Folder", "FolderWatch"]

logger = logging.getLogger(__name__)


class Folder:
    """The files. One thread. Files that are none of ours are left alone, and never written over."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._known: dict[str, bytes] = {}
        """What each file held when it was last read or written: an edit is a difference to that."""

    def _path(self, entry_id: str) -> Path:
        return self.directory / f"{entry_id}.yaml"

    def load(self) -> Iterator[Saved]:
        """Yield what there is; what cannot be read is logged and passed over."""
        for path in sorted(self.directory.glob("*.yaml")):
            saved = self._read(path)
            if saved is not None:
                yield saved

    def changed(self) -> Iterator[tuple[str, Saved | None]]:
        """Yield the ids of files that somebody has edited or removed since, and what they hold now."""
        there = set()
        for path in sorted(self.directory.glob("*.yaml")):
            there.add(path.stem)
            if _content(path) != self._known.get(path.stem):
                saved = self._read(path)
                if saved is not None:
                    yield path.stem, saved
        for entry_id in [one for one in self._known if one not in there]:
            del self._known[entry_id]
            yield entry_id, None

    def _read(self, path: Path) -> Saved | None:
        content = _content(path)
        if content is None or len(content) > CONFIGURATION_BYTES:
            return None
        try:
            saved = Saved.read(path)
        except ConfigError as error:
            logger.warning("%s; the entry stays as it was", error)
            return None
        if saved is not None:
            self._known[path.stem] = content
        return saved

    def write(self, saved: Saved) -> None:
        """Keep an entry. Raises :class:`AdapterFailed`, and then the file is as it was."""
        path = self._path(saved.id)
        try:
            if path.exists() and Saved.read(path) is None:
                raise AdapterFailed(f"{path} is not an entry's file; move it away, it is not written over")
            saved.write(path)
            self._known[saved.id] = path.read_bytes()
        except OSError as error:
            raise AdapterFailed(f"{path} cannot be written: {error.strerror}") from None
        except ConfigError as error:
            raise AdapterFailed(f"{error}; mend or remove it, it is not written over") from None

    def remove(self, entry_id: str) -> None:
        """Remove an entry's file, if it has one."""
        if self._known.pop(entry_id, None) is not None:
            self._path(entry_id).unlink(missing_ok=True)


class FolderWatch:
    """Tells when something in a folder has changed and half a second has been quiet. A thread of its own.

    A folder that is not there yet is not waited for: :meth:`start` again when it has been made.
    """

    def __init__(self, directory: Path, changed: Callable[[], object]) -> None:
        self._directory = directory
        self._changed = changed
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if there is something to watch and it is not watched yet."""
        if self._thread is None and self._directory.is_dir():
            self._thread = threading.Thread(target=self._work, name="iii-configuration-watch", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End; does not wait for the thread, which tells nothing any more."""
        self._stopping.set()

    def _work(self) -> None:
        for _ in changes([self._directory], SETTINGS_QUIET_MS, self._stopping):
            self._changed()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
