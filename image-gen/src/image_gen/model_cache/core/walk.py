"""What directories hold. What can't be read is an error here, and never nothing: whoever deletes relies on that."""

import errno
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISDIR

from image_gen.model_cache.core.filesystem import status_if_there


def entries(place: Path, pattern: str = "*") -> list[Path]:
    """What a directory holds, by name; nothing where there is none. Raises the error of one that can't be read, and of
    a link that leads nowhere, here or above: it may lead to a disk that is not mounted.
    """
    try:
        return sorted(path for path in place.iterdir() if fnmatchcase(path.name, pattern))
    except FileNotFoundError:
        there = next(each for each in (place, *place.parents) if os.path.lexists(each))
        if there.is_symlink() and not there.exists():
            raise _leads_nowhere(there) from None
        return []


def is_directory(path: Path, *, follow: bool = True) -> bool:
    """Raises the error of a path that can't be looked at."""
    status = status_if_there(path, follow=follow)
    return status is not None and S_ISDIR(status.st_mode)


def walk(place: Path, into: Callable[[Path], bool] = lambda path: is_directory(path, follow=False)) -> Iterator[Path]:
    """Everything below a directory, what contains something before it. Links are not followed."""
    for path in entries(place):
        yield path
        if into(path):
            yield from walk(path, into)


def has_files(place: Path) -> bool:
    """Whether there is anything but directories."""
    return any(not is_directory(path, follow=False) for path in walk(place))


def led_to(places: Iterable[Path], hub: Path, but: Collection[Path] = ()) -> set[Path]:
    """Every path, without links above it, that links below some places of a hub's cache, `but` some, lead to, and the
    links between. Directories that are links are followed. A link that leads nowhere stands for a lost file where the
    cache is to hold it, and is an error elsewhere.
    """
    found: set[Path] = set()
    followed: set[str] = set()

    def into(path: Path) -> bool:
        if path in but or not is_directory(path) or (real := os.path.realpath(path)) in followed:
            return False
        followed.add(real)
        if path.is_symlink() and not entries(path):
            raise _leads_nowhere(path)
        return True

    inside = Path(os.path.realpath(hub))
    for place in places:
        for path in walk(place, into) if into(place) or place not in but else ():
            if path in but:
                continue
            link = target = path
            while link.is_symlink():
                target = without_links_above(link).parent / link.readlink()
                link = without_links_above(target)
                if link in found:
                    break
                found.add(link)
            known = link.is_relative_to(inside) or (target.parent.name == "blobs" and is_directory(target.parent))
            if not (known or os.path.lexists(link)):
                raise _leads_nowhere(path)
    return found


def without_links_above(path: Path) -> Path:
    """The one path of an entry, which may be a link itself."""
    return Path(os.path.realpath(path.parent), path.name)


def _leads_nowhere(path: Path) -> OSError:
    return NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
