"""What every story needs: its brand, as it ships, on a day of its own."""

from ipaddress import ip_network

import pytest

from tests.stories.storyteller import BEGINNING, Story
from tests.support.cast import Clock


@pytest.fixture
def clock():
    clock = Clock()
    clock.stop(BEGINNING)
    return clock


@pytest.fixture
def settings(settings):
    # The loop that raises alarms looks once, at the start; then the story says when it looks.
    own = (ip_network("127.0.0.0/8"),)
    return settings.model_copy(update={"outward_networks_allowed": own, "alarm_seconds": 3600})


@pytest.fixture
def about(service, client, clock, aiohttp_server):
    """Begin a story about a brand that ships."""

    async def begin(slug):
        return await Story(slug, service, client, clock, aiohttp_server).begun()

    return begin
