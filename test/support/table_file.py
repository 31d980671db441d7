"""A file that is replaced as a whole while somebody watches it, in the two ways that are usual."""

import os
import pathlib


class RenamedFile:
    """A new file is moved over the old one."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def replace(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.path)


class MountedFile:
    """As a ConfigMap is mounted: path leads through the link ..data, which is moved to a new folder."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.folder = self.path.parent
        self.serial = 0
        self.path.symlink_to(f"..data/{self.path.name}")

    def replace(self, text):
        old = self.folder / f"..{self.serial}"
        self.serial += 1
        new, link = self.folder / f"..{self.serial}", self.folder / "..data_tmp"
        new.mkdir()
        (new / self.path.name).write_text(text)
        link.symlink_to(new.name)
        os.replace(link, self.folder / "..data")
        if old.exists():
            (old / self.path.name).unlink()
            old.rmdir()
