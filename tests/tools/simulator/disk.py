"""A disk in memory, with the system calls that `LocalBlobs` writes with, and what a loss of power does to it.

After a loss of power, a file holds what it held when it was last synced, or anything between that and what it held in
memory; of the changes of a folder since it was last synced, each may be there or not.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from selfinstruct.storage.local_blobs import LocalBlobs
from tests.tools.simulator.world import World


class File:
    """An inode: what is in memory, and what is on disk."""

    def __init__(self) -> None:
        self.data = b""
        self.synced: bytes | None = None


class Folder:
    """Names, those on disk, and the changes that are not (name, and what it stands for now, if anything)."""

    def __init__(self) -> None:
        self.entries: dict[str, File | Folder] = {}
        self.synced: dict[str, File | Folder] = {}
        self.pending: list[tuple[str, File | Folder | None]] = []

    def set(self, name: str, node: File | Folder | None) -> None:
        if node is None:
            self.entries.pop(name)
        else:
            self.entries[name] = node
        self.pending.append((name, node))


class Disk:
    """Stands in place of the module `os`. `errors` are raised instead of the next writing calls."""

    def __init__(self) -> None:
        self.world = World(0)
        self.errors: list[int] = []
        self.error_rate = 0.0
        self.removing: Callable[[str, bytes], None] = lambda path, data: None  # is told of what is not temporary
        self._root = Folder()
        self._handles: dict[int, File | Folder] = {}

    # ---- the system calls

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            self._operation("create", path)
            parent = self._folder(path.parent)
            if path.name in parent.entries:
                raise FileExistsError(path)
            parent.set(path.name, File())
        node = self._node(path)
        self._handles[len(self._handles)] = node
        return len(self._handles) - 1

    def write(self, handle: int, data: Any) -> int:
        file = self._handles[handle]
        assert isinstance(file, File)
        some = bytes(data[: self.world.draw.randint(0, len(data))])

        def torn() -> None:
            file.data += some

        self._operation("write", None, torn)
        file.data += bytes(data)
        return len(data)

    def fsync(self, handle: int) -> None:
        node = self._handles[handle]
        self._operation("fsync of a file" if isinstance(node, File) else "fsync of a folder")
        if isinstance(node, File):
            node.synced = node.data
        else:
            node.synced, node.pending = dict(node.entries), []

    def close(self, handle: int) -> None:
        """Nothing to be done."""

    def mkdir(self, path: Path) -> None:
        parent = self._folder(path.parent)
        if path.name in parent.entries:
            raise FileExistsError(path)
        self._operation("mkdir", path)
        if path.name in parent.entries:  # made by another process just now
            raise FileExistsError(path)
        parent.set(path.name, Folder())

    def link(self, source: Path, target: Path) -> None:
        self._operation("link", target)
        file = self._node(source)
        parent = self._folder(target.parent)
        if target.name in parent.entries:
            raise FileExistsError(target)
        parent.set(target.name, file)

    def replace(self, source: Path, target: Path) -> None:
        """Not used by the project, but by one that is broken on purpose."""
        self._operation("replace", target)
        file = self._node(source)
        self._folder(source.parent).set(source.name, None)
        self._folder(target.parent).set(target.name, file)

    def unlink(self, path: Path) -> None:
        self.world.check()
        parent = self._folder(path.parent)
        if path.name not in parent.entries:
            raise FileNotFoundError(path)
        self._operation("unlink", path)
        if path.name not in parent.entries:
            raise FileNotFoundError(path)
        file = parent.entries[path.name]
        if path.name[0] != "." and isinstance(file, File):
            self.removing(str(path), file.data)
        parent.set(path.name, None)

    def listdir(self, path: Path) -> list[str]:
        self.world.turn()
        return list(self._folder(path).entries)

    def stat(self, path: Path) -> Any:
        self.world.turn()
        return SimpleNamespace(st_mode=stat.S_IFREG if isinstance(self._node(path), File) else stat.S_IFDIR)

    def read(self, path: Path) -> bytes:
        self.world.turn()
        file = self._node(path)
        assert isinstance(file, File)
        return file.data

    # ---- what the simulator does

    def lose_power(self) -> None:
        """Forget what was not synced, or some of it."""
        self._forget(self._root)
        self._handles.clear()

    def files(self) -> dict[str, bytes]:
        """All files by path, as processes see them."""
        return {path: node.data for path, node in self._walk(self._root, "")}

    def alter(self, path: str, data: bytes) -> None:
        """Have other bytes in a file, for good."""
        file = self._node(Path(path))
        assert isinstance(file, File)
        file.data = file.synced = data

    def _walk(self, folder: Folder, path: str) -> Iterator[tuple[str, File]]:
        for name, node in folder.entries.items():
            if isinstance(node, File):
                yield f"{path}/{name}", node
            else:
                yield from self._walk(node, f"{path}/{name}")

    def _forget(self, folder: Folder) -> None:
        draw = self.world.draw
        kept = dict(folder.synced)
        for name, node in folder.pending:
            if draw.random() < 0.5:
                if node is None:
                    kept.pop(name, None)
                else:
                    kept[name] = node
        folder.entries, folder.synced, folder.pending = kept, dict(kept), []
        for node in kept.values():
            if isinstance(node, Folder):
                self._forget(node)
            elif node.data != node.synced:
                node.data = draw.choice([node.synced or b"", node.data[: draw.randint(0, len(node.data))]])
                node.synced = node.data

    def _operation(self, what: str, path: Path | None = None, torn: Any = None) -> None:
        self.world.operation(f"{what} {path}" if path else what, torn)
        if self.world.happens(self.error_rate):
            code = self.world.draw.choice([errno.ENOSPC, errno.EIO])
            raise OSError(code, os.strerror(code))

    def _node(self, path: Path) -> File | Folder:
        node: File | Folder = self._root
        for part in path.parts[1:]:
            if not isinstance(node, Folder):
                raise NotADirectoryError(path)
            if part not in node.entries:
                raise FileNotFoundError(path)
            node = node.entries[part]
        return node

    def _folder(self, path: Path) -> Folder:
        node = self._node(path)
        if not isinstance(node, Folder):
            raise NotADirectoryError(path)
        return node


class SimulatedLocalBlobs(LocalBlobs):
    """`LocalBlobs` that also reads from the disk in memory."""

    def get(self, name: str) -> bytes:
        with self._failures(name):
            return bytes(self._os.read(self.root / name))

    def open(self, name: str) -> Any:
        return pa.BufferReader(self.get(name))
