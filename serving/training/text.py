"""The text that the tiny model learns from: dialogues and stories made up here from templates.

All of it is this project's own work (Apache-2.0); nothing is downloaded. It covers a handful of topics in a few hundred
words, so that a model of a few million parameters can learn to answer in whole sentences.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

NAMES = ["Mia", "Tom", "Ada", "Leo", "Nina", "Sam", "Eva", "Max", "Lily", "Ben", "Ruth", "Omar"]
ANIMALS = ["cat", "dog", "bird", "fox", "horse", "rabbit", "owl", "bear", "mouse", "duck"]
COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey"]
PLACES = ["garden", "forest", "kitchen", "park", "river", "house", "school", "market", "hill", "beach"]
THINGS = ["ball", "book", "box", "cake", "lamp", "boat", "kite", "apple", "key", "flower"]
FEELINGS = ["happy", "sad", "tired", "proud", "surprised", "hungry", "calm", "brave"]
WEATHER = ["sunny", "rainy", "windy", "cold", "warm", "cloudy"]
FRUITS = ["apple", "pear", "plum", "cherry", "banana", "grape"]
SOUNDS = {"cat": "meow", "dog": "woof", "bird": "tweet", "owl": "hoot", "duck": "quack", "horse": "neigh"}
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

FACTS: list[tuple[list[str], list[str]]] = [
    (["What is a GPU?", "Explain a GPU.", "Tell me what a GPU is.", "what's a gpu", "What does a GPU do?"],
     ["A GPU is a processor that does many small calculations at the same time. Large language models run on GPUs because they need many calculations for every word.",
      "A GPU is a chip with thousands of small cores. It is fast because the cores work side by side."]),
    (["What is a cluster?", "Explain a cluster.", "What is a GPU cluster?"],
     ["A cluster is a group of machines that work together as one. If one machine fails, the others go on.",
      "A cluster is many machines that share the work. Each machine in it is called a node."]),
    (["What is a region?", "What is a cloud region?", "Explain regions."],
     ["A region is a place where a cloud has its data centers. A service that runs in two regions can survive the loss of one.",
      "A region is a group of data centers near each other. Users are sent to the region that answers them first."]),
    (["What is a replica?", "Explain a replica.", "What is a model replica?"],
     ["A replica is one full copy of a model that can answer requests. More replicas can answer more users at the same time.",
      "A replica is a copy of the model. When one replica is busy, the next request goes to another."]),
    (["What is a token?", "Explain tokens.", "What are tokens?"],
     ["A token is a small piece of text, often a word or a part of a word. A language model reads tokens and writes one token after the other.",
      "A token is a piece of a word. The model writes one token at a time."]),
    (["What is failover?", "Explain failover.", "What happens when a region dies?"],
     ["Failover means that another region takes over when one region dies. Health checks notice the failure, and the name of the service then points to a region that works.",
      "When a region dies, its health check fails and users are sent to another region. This is called failover."]),
    (["What is Kubernetes?", "Explain Kubernetes.", "what is kubernetes"],
     ["Kubernetes is a system that runs programs on many machines. It starts them, watches them and starts them again when they fail.",
      "Kubernetes runs programs in containers on a cluster. You tell it what you want, and it keeps it that way."]),
    (["What is NovaCron?", "Tell me about NovaCron.", "what is novacron", "What does NovaCron do?"],
     ["NovaCron describes a whole environment in one file and builds GPU clusters from it. It shows whether a model fits and what it costs before you pay.",
      "NovaCron is a toolkit for people who run large models. From one description it makes clusters, storage, network and a serving stack."]),
    (["What is infrastructure as code?", "Explain infrastructure as code."],
     ["Infrastructure as code means that machines and networks are described in files. The same files always give the same result, and every change can be read before it is made."]),
    (["What is a health check?", "Explain health checks."],
     ["A health check asks a service again and again whether it works. A service that does not answer gets no more requests until it is well."]),
    (["What is quantization?", "Explain quantization."],
     ["Quantization stores the numbers of a model with fewer bits. The model then needs less memory, and it loses only a little quality."]),
    (["What is a load balancer?", "Explain load balancing."],
     ["A load balancer shares requests between several servers. It sends each request to a server that has room for it."]),
    (["What is Pulumi?", "Explain Pulumi."],
     ["Pulumi builds infrastructure from programs. You write what you want in a language like Python, and Pulumi makes it so."]),
    (["What is a policy?", "Explain policies."],
     ["A policy is a rule that every change must follow. A change that breaks the rule is stopped before anything is made."]),
    (["What is a spot instance?", "Explain spot machines."],
     ["A spot machine is cheap, but the cloud may take it back at any time. Use it for work that can stop and start again."]),
    (["Who are you?", "What are you?", "who are you", "What is your name?", "Introduce yourself."],
     ["I am a very small language model that comes with NovaCron. I can chat a little, so that you can see that everything works.",
      "I am the tiny model of NovaCron. I have only a few million parameters, so please do not trust my facts."]),
    (["Are you smart?", "How big are you?", "How many parameters do you have?", "Can you write code?"],
     ["I am tiny. I have only a few million parameters, while large models have hundreds of billions. I only show that the serving stack works."]),
    (["Hello", "Hi", "Hello!", "Hi there!", "Hey", "Good morning", "Hello, how are you?", "hello there"],
     ["Hello! How can I help you today?", "Hello! I am well, thank you. What would you like to talk about?", "Hi there! It is nice to meet you."]),
    (["How are you?", "How are you today?", "How do you feel?"],
     ["I am well, thank you. How are you?", "I am fine, thank you. I hope you have a good day."]),
    (["Thank you", "Thanks!", "Thank you very much.", "thanks"],
     ["You are welcome!", "You are welcome. I am glad that I could help."]),
    (["Goodbye", "Bye", "See you later!", "Good night"],
     ["Goodbye! Have a good day.", "Goodbye! Come back soon."]),
    (["Say hello in five words.", "Say hello in five words"],
     ["Hello there, my good friend!"]),
    (["Say hello.", "Say hello", "Greet me."],
     ["Hello! It is nice to meet you."]),
    (["What can you do?", "Help", "Help me.", "What can I ask you?"],
     ["You can ask me what a GPU is, what a region is or what NovaCron does. I can also tell you a short story."]),
    (["Does it work?", "Are you working?", "Is this thing on?", "test", "Test"],
     ["Yes, it works. You sent a message, a worker read it, and this is its answer."]),
    (["Tell me a joke.", "Do you know a joke?"],
     ["Why did the computer go to the doctor? It had a virus.", "What did one server say to the other? You are my best host."]),
    (["What is the sky?", "What colour is the sky?", "Why is the sky blue?"],
     ["The sky is blue because the air scatters blue light more than red light."]),
    (["What is water?", "Tell me about water."],
     ["Water is a clear liquid. Rivers, lakes and the sea are full of it, and every animal needs it."]),
    (["What is the sun?", "Tell me about the sun."],
     ["The sun is a star. It gives light and warmth to the earth."]),
    (["What is the moon?", "Tell me about the moon."],
     ["The moon goes around the earth. It shines because the light of the sun falls on it."]),
]  # fmt: skip


def story(rng: random.Random) -> str:
    """A story of five or six short sentences."""
    name, friend = rng.sample(NAMES, 2)
    animal, colour = rng.choice(ANIMALS), rng.choice(COLOURS)
    place, other_place = rng.sample(PLACES, 2)
    thing, feeling = rng.choice(THINGS), rng.choice(FEELINGS)
    opening = rng.choice(
        [
            f"Once upon a time there was a {colour} {animal} named {name}.",
            f"One {rng.choice(WEATHER)} day, {name} went to the {place}.",
            f"{name} lived in a small house near the {place}.",
        ]
    )
    middle = rng.choice(
        [
            f"In the {place}, {name} found a {colour} {thing}.",
            f"{name} wanted to show the {thing} to {friend}.",
            f"{name} looked everywhere for a {colour} {thing}.",
        ]
    )
    turn = rng.choice(
        [
            f'"Is this your {thing}?" asked {friend}.',
            f"But the {thing} was gone, and {name} was {feeling}.",
            f"Then {friend} came from the {other_place} and said hello.",
            f"A little {rng.choice(ANIMALS)} sat beside the {thing} and looked {feeling}.",
        ]
    )
    action = rng.choice(
        [
            "They played together until the sun went down.",
            f"{friend} helped {name}, and soon they found it in the {other_place}.",
            f"They shared an {'apple'} and talked for a long time.",
            f"{name} gave the {thing} to {friend}.",
        ]
    )
    end = rng.choice(
        [
            f"At the end of the day {name} was {feeling} and went home.",
            f"{name} and {friend} were friends from that day on.",
            f"That night {name} slept well.",
        ]
    )
    return " ".join([opening, middle, turn, action, end])


def small_talk(rng: random.Random) -> tuple[str, str]:
    """A question with its answer, put together from a few hundred words."""
    kind = rng.randrange(9)
    name, animal, colour = rng.choice(NAMES), rng.choice(ANIMALS), rng.choice(COLOURS)
    if kind == 0:
        animal = rng.choice(list(SOUNDS))
        return f"What does a {animal} say?", f"A {animal} says {SOUNDS[animal]}."
    if kind == 1:
        start, length = rng.randrange(3), rng.randrange(3, 8)
        names = NUMBERS[start : start + length]
        return f"Count from {names[0]} to {names[-1]}.", ", ".join(names).capitalize() + "."
    if kind == 2:
        a, b = rng.randrange(1, 6), rng.randrange(1, 5)
        total = NUMBERS[a + b - 1]
        return (
            f"What is {NUMBERS[a - 1]} plus {NUMBERS[b - 1]}?",
            f"{NUMBERS[a - 1].capitalize()} plus {NUMBERS[b - 1]} is {total}.",
        )
    if kind == 3:
        return f"My name is {name}.", f"Hello {name}! It is nice to meet you."
    if kind == 4:
        return (
            f"Tell me about the {colour} {animal}.",
            f"The {colour} {animal} lives near the {rng.choice(PLACES)}. It likes to play, and it is often {rng.choice(FEELINGS)}.",
        )
    if kind == 5:
        weather = rng.choice(WEATHER)
        advice = {
            "rainy": "Take an umbrella with you.",
            "cold": "Put on a warm coat.",
            "sunny": "It is a good day for a walk in the park.",
        }
        return f"It is {weather} today.", f"A {weather} day! " + advice.get(weather, "I hope that you enjoy the day.")
    if kind == 6:
        fruit = rng.choice(FRUITS)
        return f"Do you like the {fruit}?", f"I cannot eat, but many people like the {fruit} because it is sweet."
    if kind == 7:
        place = rng.choice(PLACES)
        return (
            f"What is in the {place}?",
            f"In the {place} there is a {colour} {rng.choice(THINGS)}, and a {animal} sits beside it.",
        )
    return (
        f"I am {rng.choice(FEELINGS)}.",
        f"Thank you for telling me. Would you like to hear a story about a {animal}?",
    )


STORY_REQUESTS = ["Tell me a story.", "Tell me a short story.", "Write a story.", "tell me a story", "Can you tell me a story?", "Another story, please."]  # fmt: skip


def dialogue(rng: random.Random) -> list[tuple[str, str]]:
    """One to three turns of (user, assistant)."""
    turns: list[tuple[str, str]] = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        pick = rng.random()
        if pick < 0.2:
            turns.append((rng.choice(STORY_REQUESTS), story(rng)))
        elif pick < 0.45:
            turns.append(small_talk(rng))
        else:
            questions, answers = rng.choice(FACTS)
            turns.append((_vary(rng.choice(questions), rng), rng.choice(answers)))
    return turns


def _vary(question: str, rng: random.Random) -> str:
    pick = rng.random()
    if pick < 0.1:
        return question.lower()
    if pick < 0.2:
        return question.rstrip("?.!")
    if pick < 0.3:
        return f"Please answer: {question}"
    return question


def dialogues(seed: int) -> Iterator[list[tuple[str, str]]]:
    """Dialogues without end, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    while True:
        yield dialogue(rng)
