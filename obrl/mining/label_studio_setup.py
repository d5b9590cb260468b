"""The labelling setup of Label Studio that goes with a queue: XML with a box for each label."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import escape

from obrl.errors import check_label_names
from obrl.mining.errors import MiningError, shortened

SHOWN = ("image", "text")
"""What the data of a task may show: the address of a picture, or a text."""


def label_studio_config(label_names: Sequence[str], *, show: str = "text") -> str:
    """The labelling setup that goes with the tasks: what is shown, the question, and a box to tick for each label.

    Args:
        label_names: one distinct name a label.
        show: `"text"` or `"image"`, the key of the tasks' data.

    Returns:
        XML, for Settings > Labeling Interface > Code.

    Raises:
        ValueError: names that are not distinct, that XML cannot hold or that start with $, or another `show`.

    Example:
        >>> print(label_studio_config(["hat", "black & white"]))
        <View>
          <Header value="$question"/>
          <Text name="shown" value="$text"/>
          <Choices name="labels" toName="shown" choice="multiple" showInline="true">
            <Choice value="hat"/>
            <Choice value="black &amp; white"/>
          </Choices>
        </View>
        <BLANKLINE>
    """
    if show not in SHOWN:
        raise ValueError(f'show must be "text" or "image", got {show!r}')
    names = check_label_names(label_names, len(label_names)) or ()
    for name in names:
        if not name.strip() or any(map(_outside_xml, name)):
            raise MiningError(
                f"the label {shortened(ascii(name))} is empty or holds a control character, which no labelling setup "
                "of Label Studio can show; rename it"
            )
        if name.startswith("$"):
            raise MiningError(
                f"the label {shortened(ascii(name))} starts with $, by which a labelling setup of Label Studio names a "
                "field of the task; rename it"
            )
    boxes = "".join(f'    <Choice value="{escape(name, {chr(34): "&quot;"})}"/>\n' for name in names)
    return (
        "<View>\n"
        '  <Header value="$question"/>\n'
        f'  <{show.capitalize()} name="shown" value="${show}"/>\n'
        '  <Choices name="labels" toName="shown" choice="multiple" showInline="true">\n'
        f"{boxes}  </Choices>\n"
        "</View>\n"
    )


def _outside_xml(letter: str) -> bool:
    """Whether XML 1.0 cannot hold a letter: control characters, halves of surrogate pairs, and two noncharacters."""
    return unicodedata.category(letter) in ("Cc", "Cs") or letter in "\ufffe\uffff"
