"""`filename:PATH`: a folder of files whose names hold their class, as `cat.11866.jpg` does."""

import re
from collections.abc import Iterator

from beam_pipelines.rows import SourceImage
from beam_pipelines.sources.source import Source
from beam_pipelines.sources.walk import files_below
from headrace.errors import UsageError, UserError


def read(root: str, class_pattern: str) -> Source:
    """List all files below `root`, at any depth.

    Args:
        root: the folder.
        class_pattern: regular expression, matched at the beginning of a file's name; its first
            group is the class.

    Raises:
        UsageError: the expression is wrong or has no group.
        UserError: while listing, a file's name does not match.
    """
    try:
        pattern = re.compile(class_pattern)
    except re.error as error:
        raise UsageError(f"`class_pattern`={class_pattern}: {error}") from None
    if not pattern.groups:
        raise UsageError(
            f"`class_pattern`={class_pattern}: put the part that is the class in parentheses"
        )

    def list_files() -> Iterator[SourceImage]:
        for path in files_below(root):
            match = pattern.match(path.rpartition("/")[2])
            if not match or not match[1]:
                raise UserError(
                    f"{root}/{path}: its name does not match `class_pattern`={class_pattern}; "
                    "mend the pattern, or move the file away"
                )
            yield SourceImage(path, match[1])

    return Source(root, list_files)
