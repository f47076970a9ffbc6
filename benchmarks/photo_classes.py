"""Nine everyday classes of the photographs, whose names begin with a WordNet number."""

import os
import pathlib
import tarfile
import tempfile

# First and last number of runs of related synsets of ImageNet, both inclusive.
_RANGES = {
    "bird": [(1530575, 1622779), (1795545, 1820546), (1855032, 1855672), (2002556, 2056570)],
    "dog": [(2085620, 2113978)],
    "fish or reptile": [(1440764, 1498041), (1641577, 1756291), (2514041, 2655020)],
    "insect or spider": [(1773157, 1776313), (2165105, 2281787)],
    "mammal": [(2114548, 2138441), (2325366, 2510455)],
    "plant or food": [(7579787, 7930864), (11879895, 13133613)],
}
_NAMES = {
    "building": "bakery barbershop bell_cote boathouse bookshop church confectionery dam dome "
    "grocery_store lumbermill monastery obelisk prison restaurant steel_arch_bridge stupa "
    "tile_roof toyshop triumphal_arch yurt",
    "clothing": "abaya bathing_cap bib bikini breastplate bulletproof_vest cloak clog cowboy_hat "
    "crash_helmet gown hoopskirt kimono lab_coat maillot mask military_uniform miniskirt poncho "
    "sandal shower_cap ski_mask stole suit",
    "vehicle": "cab container_ship convertible fire_engine freight_car gondola jeep jinrikisha "
    "moped mountain_bike plow police_van snowplow space_shuttle speedboat streetcar tank thresher "
    "tow_truck tractor tricycle trolleybus unicycle wreck yawl",
}


def class_of(name: str) -> str | None:
    """Return the class of a photograph called such as `n01530575_brambling.JPEG`; None for none."""
    number, _, rest = name.removesuffix(".JPEG").partition("_")
    synset = int(number.removeprefix("n"))
    for label, ranges in _RANGES.items():
        if any(first <= synset <= last for first, last in ranges):
            return label
    return next((label for label, names in _NAMES.items() if rest in names.split()), None)


def unpack(archive: pathlib.Path, folder: pathlib.Path) -> None:
    """Unpack the photographs that have a class into `folder/CLASS`."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as unpacked:
        with tarfile.open(archive) as file:
            file.extractall(unpacked, filter="data")
        for path in sorted(pathlib.Path(unpacked).rglob("*.JPEG")):
            if label := class_of(path.name):
                (folder / label).mkdir(parents=True, exist_ok=True)
                os.link(path, folder / label / path.name)
