"""An engine of your own: requests go in, completions come out, once each. This one makes its answers up."""

import random

from selfinstruct.records import Completion, Finish, Kind

WORDS = "amber bridge candle desert forest garden harbour island jacket kettle lantern meadow".split()


class Babble:
    identity = {"version": "1"}

    def __init__(self, model, prompts):
        self.prompts, self.waiting = prompts, []

    def add(self, requests):
        self.waiting += requests

    def step(self):
        now, self.waiting = self.waiting[:8], self.waiting[8:]
        return [self.complete(request) for request in now]

    def complete(self, request):
        prompt = self.prompts[request.kind]  # its sampling has max_tokens, temperature, stop ...
        asked = prompt.prefix + request.suffix + prompt.tail
        words = " ".join(random.Random(request.seed).choices(WORDS, k=6))
        text = {Kind.PROPOSE: f" Say something about {words}.\n", Kind.CLASSIFY: " No"}.get(
            request.kind, f"Output: {words}"
        )
        return Completion(request.id, text, Finish.STOP, len(asked.split()), len(text.split()))
