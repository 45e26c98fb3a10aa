"""Where local copies of data sets are looked for."""

from __future__ import annotations

import os
from pathlib import Path


def candidate_homes(data_home, subfolder):
    """Folders that may hold a data set, in the order in which they are tried.

    `data_home`, then what the environment variable ``SKSUBSEL_DATA`` names, each followed by its
    subfolder of that name.
    """
    homes = []
    for home in (data_home, os.environ.get("SKSUBSEL_DATA")):
        if home:
            home = Path(home).expanduser()
            homes += [home, home / subfolder]
    return homes


def find_folder(title, homes, folder, marks, fetch):
    """The folder of a data set: one that holds all `marks`.

    Parameters
    ----------
    title : str
        What the data set is called.
    homes : list of Path
        Each is looked into itself, then in its subfolder `folder`.
    folder : str
        Name of the folder that the archive unpacks to.
    marks : list of str
        Files or folders by which the data set is known.
    fetch : str
        Which archive to get, and from where.

    Raises
    ------
    OSError
        If there is none; the message says what to fetch and where to put it.
    """
    for place in [place for home in homes for place in (home, home / folder)]:
        found = [mark for mark in marks if (place / mark).exists()]
        if len(found) == len(marks):
            return place
        if found and place.name == folder:
            missing = [mark for mark in marks if mark not in found]
            raise OSError(f"{place} holds only a part of {title}; missing: {missing}. {fetch}")
    raise OSError(not_found(title, homes, f"{fetch} Unpack it, so that {folder}/{marks[0]} exists"))


def not_found(title, homes, advice):
    """What to say where a data set is not there."""
    looked = f" in {', '.join(str(home) for home in homes)}" if homes else ""
    return (
        f"{title} was not found{looked}. {advice} in a folder, and pass that folder as data_home "
        "or set the environment variable SKSUBSEL_DATA to it."
    )
