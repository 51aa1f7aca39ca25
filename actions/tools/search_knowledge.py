"""What the business knows."""

from __future__ import annotations

import functools

from actions.knowledge.library import Libraries
from actions.tool import Turn, tool
from connectors.settings import Settings

MOST = 4
LONGEST_EXCERPT = 200  # characters; the whole passage is in its file
# Beside the answer, for whoever reads the conversation: what was looked up, and where it stood.
PASSAGES = "passages"


@functools.cache
def libraries() -> Libraries:
    return Libraries(Settings.load())


@tool(needs=("knowledge",))
async def search_knowledge(query: str, turn: Turn) -> str:
    """Searches what the business knows: prices, policies, services, products, how things are done.

    Args:
        query: what to look for, in a few words, in the language of the business
    """
    found = await libraries().of(turn.assistant).search(query, MOST)
    turn.metadata.setdefault(PASSAGES, []).extend(
        {
            "query": query,
            "file": each.passage.file,
            "heading": each.passage.heading,
            "excerpt": each.passage.text[:LONGEST_EXCERPT],
            "score": round(each.score, 3),
        }
        for each in found
    )
    if not found:
        return "Nothing was found. Try other words, or say that you do not know."
    return "\n\n".join(
        f"[{each.passage.file}: {each.passage.heading}]\n{each.passage.text}" for each in found
    )
