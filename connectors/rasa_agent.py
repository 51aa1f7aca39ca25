"""Rasa's agent, made fit to answer customers: a trained model, and our own tracker store."""

from __future__ import annotations

from rasa.core.agent import Agent
from rasa.core.tracker_store import FailSafeTrackerStore

from connectors.session_store import SessionStore


def why_unfit(agent: Agent | None) -> str | None:
    """Why this agent must not answer customers, or None."""
    if agent is None or not agent.is_ready():
        return "There is no trained model. Run `rasa train` first."
    store = agent.tracker_store
    inner = store._tracker_store if isinstance(store, FailSafeTrackerStore) else store
    if not isinstance(inner, SessionStore):
        # Rasa falls back to memory without a word when it cannot import a class.
        return (
            "endpoints.yml must name `connectors.session_store.SessionStore` as the type of its "
            f"tracker_store; Rasa is using {type(inner).__name__} instead."
        )
    return None


def fail_closed(agent: Agent) -> Agent:
    """Take Rasa's fail-safe wrapper off: it answers from memory when Redis fails, and hides it."""
    store = agent.tracker_store
    if isinstance(store, FailSafeTrackerStore):
        agent.tracker_store = agent.processor.tracker_store = store._tracker_store
    return agent


def session_store(agent: Agent) -> SessionStore:
    store = fail_closed(agent).tracker_store
    assert isinstance(store, SessionStore)
    return store
