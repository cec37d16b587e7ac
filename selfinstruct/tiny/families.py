"""The grammar's families of tasks: for each the ways to ask and how to make its instances.

The outputs are modest on purpose: copies, look-ups, fixed sentences with slots, labels by a cue and small sums are
what a model of two million parameters can learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfinstruct.tiny.grammar import Family, Maker, Row, Source, Template
from selfinstruct.tiny.words import TABLES

Rows = Mapping[str, Row]

_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


_TAILS = (
    "{Name4} needs it {deadline4} for {use4}.",
    "{Person4} wants to know.",
    "It is for {relative4}, who {interest4}.",
    "We will read it aloud at {occasion4}.",
    "Send the result to {helper4} {deadline4}.",
    "{Work4} from {workplace4} asked me.",
    "Answer like {work4} who {trait4}.",
    "{Club4} needs it for {event4}.",
    "Show it to {group4} {deadline4}.",
    "{Relative4} will check it {deadline4}.",
    "It will help {club4} to {aim4}.",
)
"""Closing sentences, mostly slots, for the ways to ask that would otherwise read too much alike."""

_SLOTS_SHARE = 0.34
"""An ask of which slots make up less than this share of the words gets a closing sentence."""


def _asks(texts: Sequence[str]) -> tuple[Template, ...]:
    asks: list[Template] = []
    for number, text in enumerate(texts):
        ask = Template(text)
        if ask.slots_share() >= _SLOTS_SHARE:
            asks.append(ask)
        else:
            # tails in turn, so that a family has all of them and a way to ask has some
            tails = _TAILS[number :: len(texts)]
            asks += (Template(f"{text} {tail}") for tail in tails)
    return tuple(asks)


def _free(name: str, asks: Sequence[str], *outputs: str) -> Family:
    """A family without input."""
    cases = tuple((Template(""), Template(output)) for output in outputs)
    return Family(name, False, _asks(asks), cases, has_input=False)


def _given(name: str, asks: Sequence[str], *cases: tuple[str, str]) -> Family:
    """A family whose instances have an input."""
    made = tuple((Template(given), Template(output)) for given, output in cases)
    return Family(name, False, _asks(asks), made, has_input=True)


def _made(name: str, asks: Sequence[str], maker: Maker, *, has_input: bool = True) -> Family:
    """A family whose instances a function makes."""
    return Family(name, False, _asks(asks), (maker,), has_input)


def _labels(name: str, asks: Sequence[str], shown: str, **cues: Sequence[str]) -> Family:
    """A classification family: for each label the texts that call for it; `shown` holds a text as `{}`."""
    rounds = max(map(len, cues.values()))
    cases = tuple(
        (Template(shown.replace("{}", texts[turn % len(texts)])), Template(label.replace("_", " ")))
        for turn in range(rounds)
        for label, texts in cues.items()
    )
    return Family(name, True, _asks(asks), cases, has_input=True)


def _between(source: Source, low: int, high: int) -> int:
    return low + source.below(high - low + 1)


def _some(source: Source, table: str, n: int, column: int = 0) -> list[str]:
    """`n` different cells of a column."""
    cells: list[str] = []
    while len(cells) < n:
        cell = TABLES[table][source.below(len(TABLES[table]))][column]
        if cell not in cells:
            cells.append(cell)
    return cells


def _list_items(rows: Rows, source: Source) -> tuple[str, str]:
    items = rows["listing"][1 : 1 + _COUNTS[rows["few"][0]]]
    return "", "\n".join(f"{n}. {item[0].upper()}{item[1:]}" for n, item in enumerate(items, start=1))


def _change(rows: Rows, source: Source) -> tuple[str, str]:
    count, price = int(rows["digit"][0]), int(rows["digit2"][0])
    total = count * price
    return "", f"{count} times {price} is {total}, so the change is 50 - {total} = {50 - total} euros."


def _shared(rows: Rows, source: Source) -> tuple[str, str]:
    people, each = int(rows["digit"][0]), int(rows["ten"][0])
    return "", f"Together they have {people} times {each}, which is {people * each} {rows['thing'][0]}."


def _left(rows: Rows, source: Source) -> tuple[str, str]:
    first, gone = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"{first} - {gone} = {first - gone}, so {first - gone} {rows['thing'][0]} are left."


def _arrival(rows: Rows, source: Source) -> tuple[str, str]:
    hour = {"noon": 12}.get(rows["hour"][0]) or _HOURS.index(rows["hour"][0]) + 1
    arrival = _HOURS[(hour + int(rows["digit"][0]) - 1) % 12]
    return "", f"It arrives {rows['digit'][0]} hours after {rows['hour'][0]}, at {arrival} o'clock."


def _fence(rows: Rows, source: Source) -> tuple[str, str]:
    long, wide = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"Two sides of {long} m and two of {wide} m make {2 * (long + wide)} m."


def _saving(rows: Rows, source: Source) -> tuple[str, str]:
    each, weeks = int(rows["ten"][0]), int(rows["digit"][0])
    return "", f"In {weeks} weeks that is {weeks} times {each}, or {each * weeks} euros."


def _ages(rows: Rows, source: Source) -> tuple[str, str]:
    age, older = int(rows["ten"][0]), int(rows["small"][0])
    return "", f"{age} + {older} = {age + older}, so {rows['name2'][0]} is {age + older} years old."


def _converted(field: str, unit: str, other: str, factor: int) -> Maker:
    def convert(rows: Rows, source: Source) -> tuple[str, str]:
        n = _between(source, 2, 20)
        return f"{field}: {n} {unit}", f"{n * factor} {other}"

    return convert


def _sorted_numbers(rows: Rows, source: Source) -> tuple[str, str]:
    numbers = {_between(source, 1, 99) for _ in range(4)}
    shuffled = sorted(numbers, key=lambda n: n * 37 % 101)
    return "Numbers: " + ", ".join(map(str, shuffled)), ", ".join(map(str, sorted(numbers)))


def _sorted_words(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "fruit", _between(source, 3, 4))
    return "Words: " + ", ".join(words), ", ".join(sorted(words))


def _doubled(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", 3)
    return f"List: {words[0]}, {words[1]}, {words[0]}, {words[2]}", ", ".join(words)


def _backwards(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", 3)
    return "List: " + ", ".join(words), ", ".join(reversed(words))


def _counted(rows: Rows, source: Source) -> tuple[str, str]:
    words = _some(source, "object", _between(source, 2, 5))
    return "List: " + ", ".join(words), str(len(words))


def _sequence(rows: Rows, source: Source) -> tuple[str, str]:
    step, first = _between(source, 2, 5), _between(source, 1, 9)
    return "Sequence: " + ", ".join(str(first + step * n) for n in range(4)), str(first + step * 4)


def _parity(even: bool) -> tuple[Template, Template]:
    # the last digit decides
    table = "even" if even else "odd"
    return Template("Number: {ten}{" + table + "}"), Template(table)


_WRITING = [
    _free(
        "refusal",
        [
            "Write a polite note to {person} that turns down {invitation} because {excuse}.",
            "How can I tell {person} that I have to refuse {invitation}? The reason is that {excuse}.",
            "I have to decline {invitation} from {person}, since {excuse}. Find kind words for me.",
        ],
        "Thank you very much for {invitation}. I am sorry that I have to say no, because {excuse}.",
        "It was kind of you to think of me. Sadly, {excuse}, so I cannot accept {invitation}.",
    ),
    _free(
        "thanks",
        [
            "Compose a short thank-you card to {person} for {kindness}, {manner}.",
            "Thank {person} for {kindness} and offer {amends} in return.",
            "Find warm words of thanks for {kindness}; the card goes out to {person}.",
        ],
        "Thank you so much for {kindness}. It made my whole week, and I will not forget it.",
        "I was very happy about {kindness}. Thank you from the bottom of my heart.",
    ),
    _free(
        "apology",
        [
            "Draft an apology to {person} for {mishap}, and offer {amends}.",
            "What can I say to {person} after {mishap}? I would like to suggest {amends}.",
            "Say sorry for {mishap} in a letter to {person}, {manner}.",
        ],
        "I am very sorry for {mishap}. It was my fault, and I hope that you can accept {amends}.",
        "Please forgive me for {mishap}. To make up for it, I would like to offer {amends}.",
    ),
    _free(
        "complaint",
        [
            "Write a firm but friendly complaint to {company} about {fault} and ask for {remedy}.",
            "I was given {fault} by {company}. Help me to demand {remedy}.",
            "Put a complaint about {fault} into words, {manner}; the aim is {remedy}.",
        ],
        "I am writing about {fault}. This is not what I paid for, and I ask for {remedy}.",
        "To my disappointment I had to deal with {fault}. I expect {remedy} and hope to hear from you soon.",
    ),
    _free(
        "invitation",
        [
            "Write an invitation to {occasion} in or near {venue} that mentions {detail}.",
            "Invite {person} to {occasion}, and do not forget to mention {detail}.",
            "We are planning {occasion}, and the place is {venue}. Word the invitation {manner}.",
        ],
        "You are warmly invited to {occasion}. The place is {venue}, and we begin at six. Please note {detail}.",
        "Come and join us for {occasion}! We meet at five; the place is {venue}. Keep in mind {detail}.",
    ),
    _free(
        "notice",
        [
            "Word a notice for {board} which says that {news}.",
            "Let everybody know that {news}. The text will hang in {board}.",
            "For {board} I need a clear announcement, {manner}: {news}.",
        ],
        "Please note: {news}. Thank you for your understanding.",
        "Attention, everyone: {news}. If you have any questions, ask at the desk.",
    ),
    _free(
        "classified_ad",
        [
            "Write an advertisement for {goods} and mention {selling} and {selling2}.",
            "I want to sell {goods}. Describe it for the newspaper, including {selling}, {manner}.",
            "How would you advertise {goods} to {person}? Bring in {selling}.",
        ],
        "For sale: {goods}, in good condition and ready to be collected. Ask me about {selling}.",
        "Looking for {goods}? This one has been well kept. Call in the evening to hear more.",
    ),
    _free(
        "story",
        [
            "Tell a story of five sentences about {hero} and {plight}.",
            "Begin a tale in which {hero} and {hero2} have to deal with {plight}.",
            "Invent a bedtime story about {plight}; its main character is {hero}.",
            "Continue in your own way: nobody believed {hero} about {plight}.",
        ],
        "Nobody in town had ever seen {hero} so puzzled. It all began with {plight}. By evening everyone "
        "was talking about it.",
        "There was once {hero} who had a quiet life. Then came {plight}, and nothing was the same again.",
    ),
    _free(
        "poem",
        [
            "Compose a short poem about {poetic} that could be spoken by {voice}.",
            "Write four lines on {poetic} and {poetic2}, as seen by {voice}.",
            "Let {voice} speak about {poetic} in a poem of two rhyming couplets.",
        ],
        "I stood alone and thought of you,\nthe night was long, the sky was blue.\nI found {poetic},\nand all was new.",
        "Soft is the evening, slow is the light,\nI keep {poetic} safe in the night.",
    ),
    _free(
        "slogan",
        [
            "Think of a slogan for {business} {twist}.",
            "Suggest three names for {business}, each one {manner}.",
            "What would be a good advertising line {twist}? It is meant for {business}.",
            "Find a motto for {business} to print on {goods}.",
        ],
        "Come once, come twice, come home: {business}.",
        "1. The Golden Corner\n2. Little Wonder\n3. Open Door",
    ),
    _free(
        "description",
        [
            "Describe {scene} using {sense}.",
            "Paint {scene} in words for {audience}, with {sense}.",
            "How does {scene} look to {hero}? Answer with {sense}.",
        ],
        "It was easy to get lost in {scene}. Something moved, something hummed, and the air was cool and clear.",
        "Here is {scene}: a little light, a low voice far away, and the feeling that something is about to begin.",
    ),
    _free(
        "job_advert",
        [
            "Write a job advertisement for {work} at {workplace} who {trait}.",
            "What should {workplace} offer to {work}? Word an advert for someone who {trait}.",
            "Advertise the post of {work} for {workplace}, {manner}.",
        ],
        "We are looking for {work} to join us at {workplace}. The right person {trait} and likes to work in a team.",
        "Join {workplace}! We need {work}. We offer fair pay and friendly colleagues.",
    ),
    _free(
        "application",
        [
            "Write the first lines of an application as {work} at {workplace} by a person who {trait}.",
            "I {trait.1} and would like to become {work}. Help me to introduce myself to {workplace}.",
            "Sum up in two sentences why someone who {trait} makes {work} that people can rely on.",
        ],
        "I have long wanted to become {work}. I would be glad to show you what I can do.",
        "For years I have dreamed of being {work}, and I am ready to start at once.",
    ),
    _free(
        "review",
        [
            "Write a review of {purchase} that praises {feature} but criticises {feature2}.",
            "I bought {purchase} and was disappointed by {feature}. Put that into a fair review, {manner}.",
            "Give {purchase} four stars, and explain the verdict with {feature} and {feature2}.",
        ],
        "I have used {purchase} for a month. I like {feature} very much, but something could still be better.",
        "All in all I am content with {purchase}. What stands out is {feature}. Four stars.",
    ),
    _free(
        "reminder",
        [
            "Remind {person} to {chore} {deadline}, in a friendly text message.",
            "Send a short message asking {person} to {chore} and to {chore2} {deadline}.",
            "I am afraid that {person} will forget to {chore}. Write a reminder {manner}.",
        ],
        "Hello! Just a quick reminder to {chore}. Thank you so much!",
        "Hi, could you please remember to {chore}? It would help me a lot.",
    ),
    _free(
        "dialogue",
        [
            "Write a short dialogue between {work} and {work2} about {dispute}.",
            "Let {hero} and {work} argue over {dispute}, and have them make peace in the end.",
            "Two voices, {character} and {work}, talk about {dispute}. Write six lines.",
        ],
        "A: Have you thought about {dispute}?\nB: I have, and I do not agree with you.\nA: Then let us ask "
        "someone else.\nB: A very good idea.",
        "A: We need to talk about {dispute}.\nB: Must it be now?\nA: It will not take long.\n"
        "B: All right, I am listening.",
    ),
    _free(
        "in_character",
        [
            "Announce in the voice of {character} that {plain}.",
            "How would {character} tell {person} that {plain}?",
            "Imagine that {character} has to say to {audience} that {plain}. What are the words?",
        ],
        "{flourish} I have to tell you that {plain}.",
        "{flourish} It is true: {plain}.",
    ),
    _free(
        "diary",
        [
            "Write a diary entry by {hero} on the day of {occasion}.",
            "Imagine you are {hero} and have just met {hero2}. Note down what happened.",
            "What would {hero} write at night after {mishap}?",
        ],
        "Dear diary, today was a day I shall never forget. I laughed, I worried, and in the end all was well.",
        "Today began like any other day, but by noon everything had changed. I will sleep late tomorrow.",
    ),
    _free(
        "toast",
        [
            "Give a toast for {person} at {occasion} that leaves out {mishap}.",
            "I have to say a few words about {person} during {occasion}. Write them {manner}.",
            "Prepare a short speech for {occasion} which recalls {kindness}.",
        ],
        "Dear friends, thank you for coming to {occasion}. Let us raise our glasses to many more days like this.",
        "I promise to be brief. Here is to good company, and to {occasion}.",
    ),
    _free(
        "riddle",
        [
            "Make up a riddle about {a object} for {audience}.",
            "Invent a riddle that {character} might ask, with {a object} as the answer.",
            "Hide {a object} in a riddle of two lines that {group} can solve.",
        ],
        "You find me at home, but I never speak, and I am useful every week. What am I? {Object}.",
        "I have no legs and yet I stay, I help you nearly every day. What am I? {Object}.",
    ),
]

_PLANNING = [
    _made(
        "list",
        [
            "List {few} {listing}, so that {helper} can use them in {use}.",
            "Name {few} {listing} {manner}.",
            "Give me {few} {listing}; I need them for {use}.",
            "Can you think of {few} {listing} for {audience}?",
        ],
        _list_items,
        has_input=False,
    ),
    _free(
        "packing",
        [
            "Make a packing list for {trip} for someone who {packer}.",
            "What belongs in the bag for {trip}? The traveller {packer} and {packer2}.",
            "I am getting ready for {trip} with a friend who {packer}. What should we take along?",
        ],
        "1. {Trip.1}\n2. {Trip.2}\n3. {Trip.3}\n4. {Trip.4}",
    ),
    _free(
        "day_plan",
        [
            "Plan {span} in {city} for {group} who {taste}.",
            "We have {span} for {city}, and most of us {taste}. Suggest a programme.",
            "Put together {span} in {city} for people who {taste} and {taste2}.",
        ],
        "Start with a walk through the old town of {city}, have lunch at the market, and end the day by the water.",
        "Morning: a slow breakfast and a walk.\nAfternoon: one museum in {city}.\nEvening: dinner with a view.",
    ),
    _free(
        "checklist",
        [
            "Make a checklist for {event}, bearing in mind that {worry}.",
            "We are organising {event} and {worry}. What must not be forgotten?",
            "Name the steps from the first idea to {event}, given that {worry} and {worry2}.",
        ],
        "1. {Task_step}.\n2. {Task_step2}.\n3. {Task_step3}.",
    ),
    _free(
        "study_plan",
        [
            "Set up a plan for {exam} in {digit} weeks; remember that {obstacle}.",
            "How should I prepare for {exam} if {obstacle}?",
            "There are {small} days left until {exam}, and {obstacle}. Tell me what to do first.",
        ],
        "Begin with the topics you know least, practise a little every day, and keep the last day before {exam} free.",
        "1. Collect all topics for {exam}.\n2. Learn one of them each day.\n3. Test yourself.\n4. Rest well.",
    ),
    _free(
        "recipe",
        [
            "How do I cook {dish} for {guests}?",
            "Give me a simple recipe for {dish}, written for {audience}.",
            "I would like to serve {dish} to {guests}. Explain it {manner}.",
        ],
        "You need {dish.1}. {Dish.2}.",
    ),
    _free(
        "shopping",
        [
            "What do I have to buy in order to make {dish} for {guests}?",
            "Write a shopping list for {dish}, to be given to {person}.",
            "Tonight there will be {dish} and {dish2}. Which ingredients are missing if the kitchen is empty?",
        ],
        "Please buy {dish.1}.",
    ),
    _free(
        "substitute",
        [
            "What can replace {swap} when I make {dish} for {guests}?",
            "I have run out of {swap}, and {person} is coming for dinner. What could I use instead?",
            "Is there a good substitute for {swap} that {group} would not notice?",
        ],
        "Instead of {swap} you can use {swap.1}.",
    ),
    _free(
        "howto",
        [
            "Show {audience} how to {howto}.",
            "I have never learned how to {howto}. Explain it {manner}.",
            "Give three clear steps to {howto}, for {writer}.",
            "What is the best way to {howto} if {worry}?",
        ],
        "1. {Howto.1}.\n2. {Howto.2}.\n3. {Howto.3}.",
    ),
    _free(
        "advice",
        [
            "What can I do? {Trouble}, and I want to {wish}.",
            "{Trouble}. Please give me some advice {manner}.",
            "{Trouble}, and sometimes {trouble2}. Where should I begin?",
        ],
        "You could {advice}. If that does not help, {advice2}.",
        "First of all, {advice}.",
    ),
    _free(
        "agenda",
        [
            "Put together an agenda for {club} that covers {agenda} and {agenda2}.",
            "{Club} meets on {weekday} to discuss {agenda}. Plan a meeting that {limit}.",
            "Prepare the next meeting of {club} so that it {limit} and {limit2}.",
        ],
        "1. Welcome\n2. {Agenda}\n3. Questions\n4. Next meeting",
    ),
    _free(
        "event_ideas",
        [
            "Think of three ideas for {club} that wants to {aim}.",
            "What could {club} do at {occasion} in order to {aim}?",
            "Help {club} to {aim}: suggest something that needs {thing} and {thing2}.",
        ],
        "1. {Idea}.\n2. {Idea2}.\n3. {Idea3}.",
    ),
    _free(
        "present",
        [
            "Suggest a present for {relative} who {interest}, {price}.",
            "What could I give {relative}? It should be something {price} for a person who {interest}.",
            "I need an idea for {occasion}: {relative} {interest} and {interest2}.",
        ],
        "What about {gift}? It suits someone who {interest}.",
        "I would choose {gift} or {gift2}.",
    ),
    _free(
        "training",
        [
            "Put together a short workout for someone who {fitness} and loves {sport}.",
            "What warm-up before {sport} is right for a person who {fitness}?",
            "My friend {fitness} but wants to try {sport}. Recommend three exercises {manner}.",
        ],
        "1. {Exercise}\n2. {Exercise2}\n3. {Exercise3}",
    ),
    _free(
        "rules",
        [
            "Draft a few rules for {place_rule} so that {hope}.",
            "Which three rules should hang in {place_rule}? The idea is that {hope} and that {hope2}.",
            "Set up rules for {place_rule} shared by {group}, {manner}.",
        ],
        "1. {Rule}.\n2. {Rule2}.\n3. {Rule3}.",
    ),
    _free(
        "morning",
        [
            "Design a morning routine for someone who {morning} and {morning2}.",
            "A friend of mine {morning}. Propose a calm start to the day {manner}.",
            "Which habits would you recommend before breakfast to a person who {morning} and {fitness}?",
        ],
        "1. {Habit}.\n2. {Habit2}.\n3. {Habit3}.",
    ),
    _free(
        "questions",
        [
            "Think up five questions about {subject} {ask_form}.",
            "Prepare an interview with {work} on {subject} and {subject2}.",
            "What could {audience} ask about {subject}? Collect questions {ask_form}.",
        ],
        "1. {question_start} {subject}?\n2. {question_start2} {subject}?\n3. {question_start3} {subject}?",
    ),
    _free(
        "budget",
        [
            "How should {group} spend {ten} euros on {occasion}?",
            "Divide a budget of {ten} euros for {event} between food, music and transport.",
            "Set up a budget of {ten} euros for {club} that plans {occasion}.",
        ],
        "Spend half of the {ten} euros on food, a third on music and keep the rest for surprises.",
    ),
]

_KNOWLEDGE = [
    _free(
        "why",
        [
            "Explain {why} to {audience}.",
            "Can you tell me {manner} {why}?",
            "A reader wants to know {why}; answer {manner}.",
            "I have always wondered {why}. Please explain it for {use}.",
        ],
        "{Why.1}.",
    ),
    _free(
        "compare",
        [
            "Compare {choice} for {group} who {taste}.",
            "What speaks for each side if one must choose between {choice}? Answer {manner}.",
            "I cannot decide between {choice}, and {obstacle}. What would you say?",
        ],
        "Both have their good sides: {choice.1}, while {choice.2}.",
    ),
    _free(
        "define",
        [
            "What does the word '{word}' mean? Explain it to {audience}.",
            "Define '{word}' and '{word2}' for {use}, {manner}.",
            "Write an entry on the word '{word}' for a dictionary made by {group}.",
        ],
        "The word '{word}' means: {word.1}.",
    ),
    _free(
        "difference",
        [
            "How would you explain the difference between {pair} to {audience}?",
            "Many people mix up {pair}. Tell them apart {manner}.",
            "In {doc} I read about {pair}. What is the difference?",
        ],
        "The difference is that {pair.1}.",
    ),
    _free(
        "idiom",
        [
            "What do people mean by the saying '{idiom}'? Explain it to {audience}.",
            "Put the idiom '{idiom}' into plain words for {use}.",
            "In {doc} I found the phrase '{idiom}'. What does it mean?",
        ],
        "The phrase '{idiom}' means {idiom.1}.",
    ),
    _free(
        "capital",
        [
            "Which city is the capital of {country}, and which one is the capital of {country2}? It is for {use}.",
            "For {use} I need the capitals of {country} and {country2}.",
            "A friend travels from {country} to {country2}. Name both capitals {manner}.",
        ],
        "The capital of {country} is {country.1}, and the capital of {country2} is {country2.1}.",
    ),
    _free(
        "language",
        [
            "Which languages are spoken in {country} and in {country2}? Answer {manner}.",
            "I want to study in {country} or {country2}. What language would I have to learn in each?",
            "Tell {person} which language people in {country} speak.",
        ],
        "People in {country} speak {country.2}.",
    ),
    _free(
        "habitat",
        [
            "Where does {a animal} live, and what does it eat? Write for {audience}.",
            "Describe the home and the food of {a animal} and {a animal2} {manner}.",
            "I am making a poster about {a animal} for {use}. What should it say about food and home?",
        ],
        "The home of {a animal} is {animal.3}. It eats {animal.4}.",
    ),
    _free(
        "young",
        [
            "What do you call the young of {a animal} and of {a animal2}? I need it for {use}.",
            "Tell {audience} what the young of {a animal} is called.",
            "In {doc} there is {a animal} with its young. What is the right name for the young one?",
        ],
        "The young of {a animal} is called {a animal.2}.",
    ),
    _free(
        "argue",
        [
            "Give two reasons why {belief}, for {reader}.",
            "Write an opening statement for {reader}: {belief}.",
            "Do you agree that {belief}? Argue for it so that {person} understands.",
        ],
        "I believe that {belief}: {reason}, and {reason2}.",
        "There are good reasons for it. First, {reason}. Second, {reason2}.",
    ),
    _free(
        "counter",
        [
            "Name one argument for and one against the claim that {belief}.",
            "Somebody claims in {reader} that {belief}. Reply to it {manner}.",
            "What would {work} say against the view that {belief}?",
        ],
        "On the one hand, {reason}. On the other hand, {against}.",
    ),
    _free(
        "code",
        [
            "Write a Python function that {code}, and explain it to {audience}.",
            "Show me Python code which {code}; I need it for {use}.",
            "How would {work} program a function that {code}?",
        ],
        "{code.1}",
    ),
    _free(
        "sql",
        [
            "Write an SQL query that returns the {records.1} and {records.2} of all {records}, sorted by {records.3}.",
            "Which SQL statement lists the {records.1} of all {records} whose {records.3} is above {ten}?",
            "From a table of {records}, select the {records.2} where the {records.3} equals {small}, for {use}.",
        ],
        "SELECT {records.1}, {records.2} FROM {records} ORDER BY {records.3};",
    ),
    _free(
        "html",
        [
            "Show the HTML of a list with {thing}, {thing2} and {thing3}.",
            "Create an HTML table for {club} with one row for {thing} and one for {thing2}.",
            "Mark up {thing} as a heading and {thing2} as a paragraph in HTML for {use}.",
        ],
        "<ul>\n<li>{thing}</li>\n<li>{thing2}</li>\n</ul>",
    ),
]

_MATHS = [
    _made(
        "change",
        [
            "{Name} buys {digit} {thing} for {digit2} euros each and pays with a 50 euro note. How much change is there?",
            "At {venue}, {name} pays for {digit} {thing} at {digit2} euros each with 50 euros. What is the change?",
        ],
        _change,
        has_input=False,
    ),
    _made(
        "together",
        [
            "Each of {digit} friends brings {ten} {thing} to {occasion}. How many are there together?",
            "For {occasion}, {name} fills {digit} boxes with {ten} {thing} each. How many does that make?",
        ],
        _shared,
        has_input=False,
    ),
    _made(
        "left_over",
        [
            "{Name} had {ten} {thing} and gave {small} of them to {person}. How many are left?",
            "Before {occasion} there were {ten} {thing}; {small} went missing. How many remain?",
        ],
        _left,
        has_input=False,
    ),
    _made(
        "arrival",
        [
            "A ferry to {place} leaves at {hour} and takes {digit} hours. When will {name} arrive?",
            "{Name} starts at {hour} and drives to {place} for {digit} hours with {group}. What time is it then?",
        ],
        _arrival,
        has_input=False,
    ),
    _made(
        "fence",
        [
            "A meadow beside {venue} is {ten} metres long and {small} metres wide. How long is the fence around it?",
            "{Name} wants to put a rope around a field of {ten} by {small} metres for {event}. "
            "How much rope is needed?",
        ],
        _fence,
        has_input=False,
    ),
    _made(
        "saving",
        [
            "{Name} saves {ten} euros a week for {goods}. How much is it after {digit} weeks?",
            "To buy {goods}, {relative} puts aside {ten} euros every week. What is the sum in {digit} weeks?",
        ],
        _saving,
        has_input=False,
    ),
    _made(
        "ages",
        [
            "{Name} is {ten} years old, and {name2}, {work}, is {small} years older. How old is {name2}?",
            "At {occasion}, {name} turns {ten}, and {name2} is older by {small} years. What is the age of {name2}?",
        ],
        _ages,
        has_input=False,
    ),
    _made(
        "metres",
        [
            "Convert the length from metres to centimetres for {work} at {workplace}.",
            "The plans for {venue} give lengths in metres. State them in centimetres, {keep}.",
            "In {doc} a length is given in metres; turn it into centimetres for {use}.",
        ],
        _converted("Length", "metres", "centimetres", 100),
    ),
    _made(
        "minutes",
        [
            "How many seconds are the given minutes? {Name} needs to know before {event}.",
            "Change the time in {doc} from minutes to seconds, {keep}.",
            "For {use}, express a number of minutes in seconds.",
        ],
        _converted("Time", "minutes", "seconds", 60),
    ),
    _made(
        "kilograms",
        [
            "Convert the weight from kilograms to grams so that {work} can read it.",
            "A recipe in {doc} uses kilograms. Give the amount in grams, {keep}.",
            "Write the weight of {goods} in grams instead of kilograms.",
        ],
        _converted("Weight", "kilograms", "grams", 1000),
    ),
    _made(
        "sort_numbers",
        [
            "Sort the numbers from {doc} from the smallest to the largest, {keep}.",
            "Bring the numbers into ascending order for {use}, {keep}.",
            "The results of {event} are mixed up. Put them in order, beginning with the lowest.",
        ],
        _sorted_numbers,
    ),
    _made(
        "sequence",
        [
            "Find the next number of the sequence that {work} wrote down for {use}.",
            "How does the series of numbers from {doc} go on? Give one number.",
            "Continue the sequence by one step, as {character} would do for {audience}.",
        ],
        _sequence,
    ),
    _made(
        "sort_words",
        [
            "Sort the fruits that {name} bought for {occasion} from A to Z.",
            "Put the words from {doc} in alphabetical order, {keep}.",
            "For {use}, arrange the given words as they would stand in a dictionary.",
        ],
        _sorted_words,
    ),
    _made(
        "duplicates",
        [
            "Remove the item that appears twice from the stock list of {company}, {keep}.",
            "The list that {writer} made for {event} names one thing twice. Delete the second mention.",
            "Clean up the list from {doc} so that every item occurs only once.",
        ],
        _doubled,
    ),
    _made(
        "backwards",
        [
            "Turn the list of things in {venue} around so that the last one comes first.",
            "Write the list from {doc} in reverse order, {keep}.",
            "For {use}, give the three items backwards.",
        ],
        _backwards,
    ),
    _made(
        "how_many",
        [
            "How many things did {name} bring to {event}, according to the list?",
            "Count the items on the list that {writer} left at {venue}.",
            "Give the number of entries in the list from {doc}, {keep}.",
        ],
        _counted,
    ),
]

_REWRITING = [
    _given(
        "past",
        [
            "Put the sentence from {doc} into the past tense, {keep}.",
            "For {use}, change the verb of the sentence to its past form.",
            "Rewrite the sentence as if {name} had told it in {doc} long ago.",
        ],
        ("Sentence: {who} {act.1} {tense_time}.", "{who} {act.2} {tense_time}."),
        ("Sentence: {who} and {who2} {act} {tense_time}.", "{who} and {who2} {act.2} {tense_time}."),
    ),
    _given(
        "negate",
        [
            "Turn the statement from {doc} into its opposite by adding 'not', {keep}.",
            "Make the sentence negative for {use}, {keep}.",
            "How would the sentence read if it were not true? It comes from {doc}.",
        ],
        ("Sentence: {who} {act.1}.", "{who} does not {act}."),
        ("Sentence: {who} and {who2} {act}.", "{who} and {who2} do not {act}."),
    ),
    _given(
        "to_question",
        [
            "Turn the sentence into a question that {character} might ask {audience}.",
            "Make a yes-or-no question of the statement from {doc}, {keep}.",
            "For {use}, ask for the fact that the sentence states.",
        ],
        ("Sentence: {who} {act.1}.", "Does {who} {act}?"),
        ("Sentence: {who} {act.2}.", "Did {who} {act}?"),
    ),
    _given(
        "passive",
        [
            "Rewrite the active sentence from {doc} in the passive voice, {keep}.",
            "Change the sentence for {use} so that the person comes last.",
            "Use the passive voice in the sentence that {writer} wrote, {keep}.",
        ],
        ("Sentence: {who} {act.2}.", "{Act.4} {act.5} by {who}."),
    ),
    _given(
        "future",
        [
            "Move the sentence from {doc} into the future, {keep}.",
            "Rewrite the sentence with 'will' as a plan made by {name} for {event}.",
            "What will happen next week? Put the sentence into the future tense for {use}.",
        ],
        ("Sentence: {who} {act.1}.", "{who} will {act}."),
        ("Sentence: {who} {act.2}.", "{who} will {act}."),
    ),
    _given(
        "reported",
        [
            "Put the words that were spoken in {doc} into reported speech, {keep}.",
            "Report to {person} what was said.",
            "Change direct into indirect speech for {use}, {keep}.",
        ],
        ("Speech: {who} said, 'I always {act}.'", "{who} said that {who.1} always {act.2}."),
    ),
    _given(
        "third_person",
        [
            "Rewrite the sentence from {doc} with 'she' instead of 'I', {keep}.",
            "Retell in the third person what {relative} says, as in {doc}.",
            "Change the speaker of the sentence to 'she' for {use}.",
        ],
        ("Sentence: I {act} {tense_time}.", "She {act.1} {tense_time}."),
    ),
    _given(
        "polite",
        [
            "Make the sentence more polite, since {writer} will read it.",
            "Say the same thing in a kinder way, so that {person} is not offended.",
            "Soften the words of {character} for {use}, {keep}.",
            "Rephrase the line from {note} so that it sounds courteous.",
        ],
        ("Sentence: {tone}", "{tone.1}"),
    ),
    _given(
        "shorten",
        [
            "Replace the long phrase in the sentence from {doc} with a short one.",
            "Shorten the sentence that {helper} wrote, {keep}.",
            "Cut needless words from the line for {use}, {keep}.",
        ],
        ("Sentence: {who} will {act} {wordy} it is needed.", "{who} will {act} {wordy.1} it is needed."),
        ("Phrase: {wordy}", "{wordy.1}"),
    ),
    _given(
        "spelling",
        [
            "Correct the spelling mistake in the line by {writer}, {keep}.",
            "One word in {doc} is misspelled. Return the whole sentence with the right spelling.",
            "Find the spelling error before {helper} prints the text for {use}.",
        ],
        ("Sentence: {who} did not spell the word {typo} well.", "{who} did not spell the word {typo.1} well."),
        ("Sentence: Please {act}, {who}, {typo} or not.", "Please {act}, {who}, {typo.1} or not."),
    ),
    _given(
        "american",
        [
            "Change the British spelling in {doc} to American spelling, {keep}.",
            "A publisher in Boston wants to print {doc}. Adapt the spelling of the sentence.",
            "Give the American form of the word for {use}.",
        ],
        ("Sentence: {who} likes the word {spelling}.", "{who} likes the word {spelling.1}."),
        ("Word: {spelling}", "{spelling.1}"),
    ),
    _given(
        "join",
        [
            "Join the two sentences from {doc} with the word 'because', {keep}.",
            "Make one sentence out of two, and give the second one as the reason, for {use}.",
            "Link what {writer} says with the reason that follows it.",
        ],
        (
            "First: {who} was tired.\nSecond: {who} had to {act}.",
            "{who} was tired because {who.1} had to {act}.",
        ),
        (
            "First: {who} was late.\nSecond: {who} had to {act}.",
            "{who} was late because {who.1} had to {act}.",
        ),
    ),
    _given(
        "from_notes",
        [
            "Turn the notes that {helper} took into one full sentence for {use}.",
            "Write a sentence that holds all facts of the notes from {doc}.",
            "Make a proper sentence of the key words which {writer} sent, {keep}.",
        ],
        (
            "Who: {name}\nWhat: {work}\nWhere: {place}",
            "{name} is {work} in {place}.",
        ),
        (
            "Name: {name}\nDay: {weekday}\nPlace: {place}",
            "{name} will be in {place} on {weekday}.",
        ),
    ),
    _given(
        "anonymise",
        [
            "Replace the name of the person in {doc} with a star, {keep}.",
            "Hide who is meant: put a star for each name in the text by {writer}.",
            "Make the sentence anonymous with a star so that {helper} can use it for {use}.",
        ],
        ("Sentence: {who} {act.2} with {who2}.", "* {act.2} with *."),
        ("Sentence: {who} {act.2} {tense_time}.", "* {act.2} {tense_time}."),
    ),
    _given(
        "swap_word",
        [
            "Replace the adjective in the sentence from {doc} with its opposite.",
            "Say the contrary of what {writer} claims by changing one word.",
            "Change the meaning of the line for {use} by using the opposite adjective.",
        ],
        ("Sentence: The {noun} is {adjective}.", "The {noun} is {adjective.1}."),
        ("Sentence: The {object} looks {adjective}.", "The {object} looks {adjective.1}."),
    ),
    _given(
        "headline",
        [
            "Find a headline for the report that {helper} wrote for {reader}.",
            "Give the paragraph from {doc} a title of a few words.",
            "What title suits the note by {writer}? It is meant for {use}.",
        ],
        (
            "Text: In {place}, {name} opened {business} on {weekday}.",
            "{name} opens {business} in {place}",
        ),
        (
            "Text: On {weekday}, {name} {act.2} in {place}.",
            "{name} {act.1} in {place}",
        ),
    ),
    _given(
        "summary",
        [
            "Sum up {note} by {writer} in one short sentence.",
            "Tell {person} in a few words what the message is about.",
            "Shorten the message to its main point, so that {helper} can pass it on {deadline}.",
        ],
        (
            "Message: Hello, this is {name}. I hope you are well. Could you please {chore} {deadline}? Many thanks!",
            "{name} asks you to {chore} {deadline}.",
        ),
        (
            "Message: Dear all, I wanted to let you know that {news}. Best wishes, {name}",
            "{name} says that {news}.",
        ),
    ),
    _given(
        "reply",
        [
            "Answer {note} from {writer} in a friendly way, {manner}.",
            "Write a reply to the message and promise to help {deadline}.",
            "How should {helper} respond to the message by {writer}?",
        ],
        (
            "Message: Hello, could you please {chore}? {name}",
            "Hello {name}, of course, I will {chore}.",
        ),
        (
            "Message: Hi, can we talk about {matter} on {weekday}? {name}",
            "Hi {name}, yes, let us talk about {matter} on {weekday}.",
        ),
    ),
]

_EXTRACTION = [
    _given(
        "names",
        [
            "Extract the names of all people from {doc}, separated by commas.",
            "Who is mentioned in the sentence that {writer} wrote? List the names for {use}.",
            "Pick out every first name so that {helper} can invite the people to {occasion}.",
        ],
        ("Text: {name} met {name2} in {place}.", "{name}, {name2}"),
        ("Text: {name} and {name2} helped {name3} to {chore}.", "{name}, {name2}, {name3}"),
    ),
    _given(
        "places",
        [
            "Which towns are named in {doc}? Separate them with semicolons.",
            "List all towns that {name} visited, in the order of the text from {doc}.",
            "Extract the towns for {use}, {keep}.",
        ],
        ("Text: {name} left {place} and moved to {place2}.", "{place}; {place2}"),
        ("Text: From {place} we took a train to {place2} and a boat to {place3}.", "{place}; {place2}; {place3}"),
    ),
    _given(
        "when",
        [
            "Find out on which day something happens, according to {note} by {writer}.",
            "Extract the weekday from the message so that {helper} can plan {event}.",
            "What day is mentioned in the line from {doc}? Answer with one word.",
        ],
        ("Message: Please {chore} on {weekday}.", "{weekday}"),
        ("Message: {name} will be back on {weekday}, not before {hour}.", "{weekday}"),
    ),
    _given(
        "cost",
        [
            "What does it cost? Take the price from {note} by {writer}.",
            "Extract the amount of money from the offer for {goods}, {keep}.",
            "Find the price in the text, so that {helper} can compare it for {event}.",
        ],
        ("Text: {name} paid {ten} euros for {purchase}.", "{ten} euros"),
        ("Text: You can have {purchase} for {small} euros, said {name}.", "{small} euros"),
    ),
    _given(
        "colours",
        [
            "Name every colour that occurs in {doc}, separated by commas.",
            "Find the colours in the sentence so that {work} can order paint.",
            "Which colours does {writer} mention? List them for {use}.",
        ],
        ("Text: The {colour} {object} stood next to the {colour2} {object2}.", "{colour}, {colour2}"),
        ("Text: {name} wore {colour} shoes and {name2} the {colour2} scarf.", "{colour}, {colour2}"),
    ),
    _given(
        "task_in_message",
        [
            "Work out what {person} is asked to do in the message, as an infinitive.",
            "Extract the request from {note}, {keep}.",
            "What should be done? Give {helper} only the task from the message by {writer}.",
        ],
        ("Message: Hi {name}, could you {chore} {deadline}? Thanks, {name2}", "{chore}"),
        ("Message: {name}, please do not forget to {chore} before I am back.", "{chore}"),
    ),
    _given(
        "answer_from_text",
        [
            "Answer the question with the help of the short text from {doc}.",
            "Read what {writer} wrote and answer the question, {keep}.",
            "Using only the text, answer the question for {use}.",
        ],
        ("Text: {who} {act.2} while {who2} {act2.2}.\nQuestion: Who {act.2}?", "{who}"),
        ("Text: {name} lives in {place} and works as {work}.\nQuestion: Where does {name} live?", "In {place}."),
        ("Text: {name} bought {purchase} on {weekday}.\nQuestion: What did {name} buy?", "{Purchase}."),
    ),
    _given(
        "csv",
        [
            "Write the facts from {doc} as one line of CSV, {keep}.",
            "Turn the sentence into values separated by commas, so that {helper} can load them for {use}.",
            "Make a table row from the sentence that {writer} sent.",
        ],
        ("Sentence: {name} is {ten} years old and lives in {place}.", "{name},{ten},{place}"),
        ("Sentence: On {weekday}, {name} sold {small} {thing}.", "{weekday},{name},{small},{thing}"),
    ),
    _given(
        "json",
        [
            "Give the data from {doc} as a JSON object, {keep}.",
            "Store what {writer} says as JSON with fitting keys for {use}.",
            "Convert the description into JSON, so that {company} can read it.",
        ],
        ("Text: {name} comes from {place}.", '{"name": "{name}", "town": "{place}"}'),
        (
            "Text: The {object} is {colour} and costs {ten} euros.",
            '{"item": "{object}", "colour": "{colour}", "price": {ten}}',
        ),
    ),
    _given(
        "row_to_text",
        [
            "Describe the row of the table in a full sentence for {audience}.",
            "Write a sentence about the record that {company} keeps, {keep}.",
            "Read the row aloud as {character} would, in one sentence.",
        ],
        ("Name: {name}\nAge: {ten}\nTown: {place}", "{name} is {ten} years old and lives in {place}."),
        ("Item: {object}\nColour: {colour}\nPrice: {ten} euros", "The {colour} {object} costs {ten} euros."),
    ),
    _given(
        "email_subject",
        [
            "Suggest a subject line for the email that {writer} wants to send to {company}.",
            "What should stand in the subject of the message to {person}?",
            "Find a subject line for the email {manner}; it will be read by {helper}.",
        ],
        ("Email: Dear team, I have a question about {matter}. Yours, {name}", "Question about {matter}"),
        ("Email: Hello, I would like to complain about {fault}. {name}", "Complaint about {fault}"),
    ),
    _given(
        "keyword",
        [
            "Name the topic of {note} by {writer} in two or three words.",
            "What is the message about? Answer with a short phrase, so that {helper} can sort it.",
            "Give one keyword phrase for the remark from {doc}.",
        ],
        ("Message: I have something to say about {matter}. {name}", "{matter}"),
        ("Message: Could somebody explain {matter} to me? {name}", "{matter}"),
    ),
    _given(
        "synonym",
        [
            "Give a synonym that {character} could use for {use}.",
            "Find another word with the same meaning, to make {doc} more lively.",
            "Which word could replace the given one in {doc}, {keep}?",
        ],
        ("Word: {adjective}", "{adjective.2}"),
    ),
    _given(
        "antonym",
        [
            "What is the opposite of the word that {writer} chose? It is needed for {use}.",
            "Name the antonym of the word from {doc}.",
            "Find the word with the contrary meaning for {audience}, {keep}.",
        ],
        ("Word: {adjective}", "{adjective.1}"),
        ("Word: {adjective.1}", "{adjective}"),
    ),
    _given(
        "plural",
        [
            "Write the plural of the noun from {doc}, {keep}.",
            "If {name} has more than one of it, what is the right form of the noun? It is for {use}.",
            "Give the plural form so that {helper} can use it on a label for {goods}.",
        ],
        ("Noun: {translated}", "{translated.1}"),
    ),
    _given(
        "french",
        [
            "Translate the word from {doc} into French, {keep}.",
            "How do you say the word in French? {Name} needs it on a trip to {city}.",
            "Give {audience} the French translation of the word for {use}.",
        ],
        ("Word: {translated}", "{translated.2}"),
    ),
    _given(
        "german",
        [
            "Translate the noun into German for {group} on the way to {city}.",
            "What is the German word for the thing that {writer} describes?",
            "For {use}, give the German translation of the word, {keep}.",
        ],
        ("Word: {translated}", "{translated.4}"),
    ),
    _given(
        "rhyme",
        [
            "Find a rhyme for the word, to be used in a poem about {poetic}.",
            "Which word rhymes with the given one? {Character} needs it for a song.",
            "Name a word that rhymes, so that {voice} can end the verse on {poetic}.",
        ],
        ("Word: {rhyme}", "{rhyme.1}"),
        ("Word: {rhyme.1}", "{rhyme}"),
    ),
    _given(
        "fill_gap",
        [
            "Fill the gap in the sentence from {doc} with a fitting word.",
            "Which word is missing in the line that {writer} wrote? Complete it for {use}.",
            "Replace the blank with the right word, {keep}, as in {doc}.",
        ],
        ("Sentence: The capital of {country} is ___.", "The capital of {country} is {country.1}."),
        ("Sentence: The opposite of {adjective} is ___.", "The opposite of {adjective} is {adjective.1}."),
        ("Sentence: The young of {a animal} is called ___.", "The young of {a animal} is called {a animal.2}."),
    ),
    _given(
        "analogy",
        [
            "Complete the comparison from {doc} with the missing word.",
            "Find the fourth word so that both pairs match, for {use}.",
            "Which word completes the pair that {character} thought up for {audience}?",
        ],
        ("Pairs: {country} is to {country.1} as {country2} is to what?", "{country2.1}"),
        ("Pairs: {adjective} is to {adjective.1} as {adjective2} is to what?", "{adjective2.1}"),
        ("Pairs: {animal} is to {animal.2} as {animal2} is to what?", "{animal2.2}"),
    ),
    _given(
        "continue",
        [
            "Continue the story that {hero} tells with one more sentence.",
            "How might the scene from {doc} go on? Add one sentence {manner}.",
            "Add a sentence to the text by {writer} that brings in {plight}.",
        ],
        ("Text: {who} opened the door and saw {hero}.", "{who} took a step back and asked, 'What do you want?'"),
        ("Text: In the middle of {scene}, {who} stopped.", "Something was wrong, and {who} knew it at once."),
    ),
]

_CLASSIFICATION = [
    _labels(
        "sentiment",
        [
            "Decide whether {note} by {writer} on {matter} is positive, negative or neutral.",
            "What does {writer} think of {matter}? Answer with positive, negative or neutral.",
            "Label the opinion about {matter} as positive, negative or neutral for {helper}.",
        ],
        "Comment: {}",
        positive=[
            "I love {matter}, it is wonderful.",
            "{Matter} made my day.",
            "Thank you for {matter}, we are delighted.",
        ],
        negative=["I am very disappointed by {matter}.", "{Matter} was a waste of money.", "What a mess: {matter}."],
        neutral=["I have seen {matter}.", "{Matter} was mentioned on {weekday}.", "Somebody asked about {matter}."],
    ),
    _labels(
        "urgency",
        [
            "Is the message from {writer} urgent or can it wait? Answer urgent or not urgent.",
            "Sort {note} into urgent and not urgent, so that {helper} knows what to do first.",
            "Tell {helper} whether the request about {matter} is urgent or not urgent.",
        ],
        "Message: {}",
        urgent=[
            "Please {chore} right now!",
            "{name} needs help at once.",
            "Come immediately, water is running down the stairs!",
        ],
        not_urgent=[
            "When you have time, please {chore}.",
            "There is no hurry, {name} said.",
            "Some day we should talk about {matter}.",
        ],
    ),
    _labels(
        "department",
        [
            "Which department of {company} should answer the message: sales, billing or repairs?",
            "Forward {note} by {writer} to sales, billing or repairs.",
            "Choose between sales, billing and repairs for the request that reached {helper}.",
        ],
        "Message: {}",
        sales=["I would like to buy {purchase}.", "Do you also sell {goods}?"],
        billing=["My invoice for {purchase} is too high.", "I was charged twice for {goods}."],
        repairs=["My new purchase is broken: {purchase}.", "Who can fix {goods}?"],
    ),
    _labels(
        "tense",
        [
            "Tell whether the sentence from {doc} is about the past, the present or the future.",
            "For {use}, label the tense of the sentence as past, present or future.",
            "In which tense does {writer} speak? Choose past, present or future.",
        ],
        "Sentence: {}",
        past=["{who} {act.2} last week.", "{who} {act.2}, and nobody noticed."],
        present=["{who} {act.1} every day.", "{who} is {act.3} now."],
        future=["{who} will {act} tomorrow.", "{who} is going to {act}."],
    ),
    _labels(
        "formality",
        [
            "Is the language of {writer} formal or informal?",
            "Label the line from {note} as formal or informal, so that {helper} can match the tone.",
            "Would {character} find the sentence formal or informal? Answer with one word.",
        ],
        "Sentence: {}",
        formal=[
            "Dear Sir or Madam, I am writing about {matter}.",
            "{tone.1}",
            "We would be grateful if you could {chore}.",
        ],
        informal=["Hey {name}, wanna {act}?", "Hiya, {matter} was so cool!", "Nah, gotta {act}, see ya."],
    ),
    _labels(
        "sentence_type",
        [
            "Does {writer} ask a question, make a statement or give a command?",
            "Label the sentence from {doc} as question, statement or command.",
            "For {use}, say if the line is a question, a statement or a command.",
        ],
        "Sentence: {}",
        question=["Did {who} {act}?", "Where is {who}?"],
        statement=["{who} {act.1}.", "{who} comes from {place}."],
        command=["Please {act}!", "{Chore} {deadline}!"],
    ),
    _labels(
        "fact_opinion",
        [
            "Is the sentence by {writer} a fact or an opinion?",
            "Sort the claims of {doc} into fact and opinion.",
            "Tell {audience} whether the statement is a fact or an opinion.",
        ],
        "Statement: {}",
        fact=[
            "The capital of {country} is {country.1}.",
            "The {animal} is a kind of {animal.1}.",
            "People in {country} speak {country.2}.",
        ],
        opinion=["I think that {belief}.", "{Matter} is the best thing of all.", "In my view, {belief}."],
    ),
    _labels(
        "animal_class",
        [
            "Which group does the animal in {doc} belong to: bird, mammal or fish?",
            "Classify the animal that {name} saw near {venue} as bird, mammal or fish.",
            "Bird, mammal or fish? Label the animal for {use}.",
        ],
        "Animal: {}",
        bird=["owl", "eagle", "swan", "duck", "hen", "robin"],
        mammal=["fox", "bear", "horse", "goat", "wolf", "sheep"],
        fish=["salmon", "trout", "herring", "tuna", "cod", "carp"],
    ),
    Family(
        "parity",
        True,
        _asks(
            [
                "Is the number that {character} shouts odd or even?",
                "Label the house number from {doc} as odd or even.",
                "For {use}, decide if {name} has an odd or an even number.",
            ]
        ),
        (_parity(True), _parity(False)),
        has_input=True,
    ),
    _labels(
        "season",
        [
            "In which season does the scene from {doc} take place: spring, summer, autumn or winter?",
            "Guess the season that {writer} describes. The labels are spring, summer, autumn and winter.",
            "Match the description with spring, summer, autumn or winter for {use}.",
        ],
        "Scene: {}",
        winter=[
            "The snow in {place} reaches up to the window sills.",
            "The lake near {place} is frozen and {name} skates on it.",
        ],
        spring=[
            "The first crocuses push through the soil in {place}.",
            "Lambs are born and {name} sees the cherry trees blossom.",
        ],
        summer=[
            "Everyone in {place} lies on the beach in the heat.",
            "{name} swims in the warm sea under a burning sun.",
        ],
        autumn=["Red leaves fall from the trees in {place}.", "{name} harvests pumpkins and rakes fallen leaves."],
    ),
    _labels(
        "daytime",
        [
            "Does the event in {doc} happen in the morning, at noon or at night?",
            "Choose morning, noon or night for the moment that {hero} recalls.",
            "What time of day is it for {writer}: morning, noon or night?",
        ],
        "Text: {}",
        morning=[
            "The sun was rising when {name} ate breakfast.",
            "{name} woke up and brushed her teeth in the first light.",
        ],
        noon=["The church bells rang twelve and {name} went for lunch.", "The sun stood highest as {name} had lunch."],
        night=["The moon shone while {name} was asleep.", "Under the stars, {name} walked through dark streets."],
    ),
    _labels(
        "same_meaning",
        [
            "Do the two sentences from {doc} mean the same? Answer same or different.",
            "Compare what {writer} and {writer2} say, and answer same or different.",
            "Say same or different, depending on whether both lines mean one thing, for {use}.",
        ],
        "{}",
        same=[
            "First: {who} {act.2}.\nSecond: {Act.4} {act.5} by {who}.",
            "First: The {noun} is {adjective}.\nSecond: The {noun} is {adjective.2}.",
        ],
        different=[
            "First: {who} {act.2}.\nSecond: {Act2.4} {act2.5} by {who2}.",
            "First: The {noun} is {adjective}.\nSecond: The {noun} is {adjective.1}.",
        ],
    ),
    _labels(
        "spam",
        [
            "Is {note} that reached {person} spam or not spam?",
            "Mark the email to {company} as spam or not spam.",
            "Protect {group} from junk mail: label the message as spam or not spam.",
        ],
        "Message: {}",
        spam=["You have won {ten} thousand euros! Click here now!", "Cheap pills and easy money, click now, {name}!"],
        not_spam=["Dear {name}, our meeting on {weekday} begins at {hour}.", "Hi {name}, could you please {chore}?"],
    ),
    _labels(
        "emotion",
        [
            "What does {hero} feel: joy, anger, fear or sadness?",
            "Name the feeling in the line from {doc}; choose joy, anger, fear or sadness.",
            "Label the mood of {writer} as joy, anger, fear or sadness.",
        ],
        "Text: {}",
        joy=["{name} laughed and danced around the {noun}.", "Hooray, {name} is here at last!"],
        anger=["{name} shouted and slammed the door.", "How dare you, {name}! I am furious."],
        fear=["{name} trembled and hid behind the {object}.", "Help, {name}, I am so scared!"],
        sadness=["{name} wept over the lost {object}.", "{name} looked at the empty chair and cried."],
    ),
    _labels(
        "topic",
        [
            "Sort the headline from {reader} into sports, politics, weather or business.",
            "What is the news item about that {writer} read: sports, politics, weather or business?",
            "Assign the headline to sports, politics, weather or business for {helper}.",
        ],
        "Headline: {}",
        sports=["{place} wins the cup final", "{name} breaks the record in the marathon"],
        politics=["{place} elects a new mayor", "Parliament in {country.1} votes on a new law"],
        weather=["Heavy snow expected in {place}", "Storm and rain reach {country} on {weekday}"],
        business=["Factory in {place} doubles its profit", "Bank in {place} cuts 200 jobs"],
    ),
    _labels(
        "language_id",
        [
            "Which language does {writer} use: English, French or German?",
            "Recognise the language of the phrase in {doc} as English, French or German.",
            "For {use}, label the word as English, French or German.",
        ],
        "Text: {}",
        English=["Good morning, dear friend", "the {translated} and the {translated2}", "Thank you very much, {name}"],
        French=["Bonjour, mon ami", "{translated.2} et {translated2.2}", "Merci beaucoup, {name}"],
        German=["Guten Morgen, mein Freund", "{translated.4} und {translated2.4}", "Vielen Dank, {name}"],
    ),
    _labels(
        "larger",
        [
            "Which of the two numbers from {doc} is larger, the first or the second?",
            "{Name} compares two prices for {goods}. Is the first or the second one higher?",
            "Answer first or second: which number in {note} is the bigger one?",
        ],
        "{}",
        first=["First: {small}{ten}\nSecond: {ten}", "First: {ten}\nSecond: {small}"],
        second=["First: {ten}\nSecond: {small}{ten}", "First: {small}\nSecond: {ten}"],
    ),
    _labels(
        "true_false",
        [
            "Check the claim from {doc} and answer true or false.",
            "Is it true what {character} says to {audience}? Answer true or false.",
            "Mark the statement for {use} as true or false.",
        ],
        "Claim: {}",
        true=[
            "The capital of {country} is {country.1}.",
            "The opposite of {adjective} is {adjective.1}.",
            "The young of {a animal} is called {a animal.2}.",
        ],
        false=[
            "The capital of {country} is {country2.1}.",
            "The opposite of {adjective} is {adjective2.1}.",
            "People in {country.1} live on the moon.",
        ],
    ),
    _labels(
        "food_group",
        [
            "Is the food that {name} packed for {event} a fruit or a vegetable?",
            "Fruit or vegetable? Label what {group} bought for {dish}.",
            "Tell {audience} whether the item from {doc} is a fruit or a vegetable.",
        ],
        "Food: {}",
        fruit=["{fruit}", "a ripe {fruit}", "a basket with one {fruit}"],
        vegetable=["carrot", "onion", "potato", "cabbage", "leek", "turnip", "spinach", "radish"],
    ),
    _labels(
        "grammatical_person",
        [
            "Is the sentence from {doc} written in the first or the third person? Answer first or third.",
            "Tell if {hero} speaks in the first or the third person; answer first or third.",
            "Label the point of view of the line for {use} as first or third.",
        ],
        "Sentence: {}",
        first=["I {act.2} {tense_time}.", "My brother and I {act}."],
        third=["{who} {act.2} {tense_time}.", "He and {who} {act}."],
    ),
    _labels(
        "intent",
        [
            "What does {writer} want: to book, to cancel or to ask?",
            "Assign the call about {matter} to one of the intents book, cancel and ask.",
            "Sort {note} to {company} by its intent, which is book, cancel or ask.",
        ],
        "Message: {}",
        book=["I would like to reserve a table for {small}.", "Please put me down for {matter} on {weekday}."],
        cancel=["I have to call off my appointment on {weekday}.", "Please remove me from {matter}."],
        ask=["When does {matter} start?", "What does {matter} cost?"],
    ),
    _labels(
        "rhyme_check",
        [
            "Do the words in {doc} rhyme? Answer yes or no.",
            "Can {voice} rhyme the two words in a song about {poetic}? Answer yes or no.",
            "For {use}, say yes if the words rhyme and no if they do not.",
        ],
        "Words: {}",
        yes=["{rhyme} and {rhyme.1}"],
        no=["{rhyme} and {rhyme2}", "{rhyme} and {rhyme2.1}"],
    ),
    _labels(
        "transport",
        [
            "Does the vehicle in {doc} travel by land, by sea or by air? Answer land, sea or air.",
            "Choose land, sea or air for the way {hero} travels to {city}.",
            "How do {group} reach {city}: by land, sea or air?",
        ],
        "Vehicle: {}",
        land=["a bus", "a tram", "a bicycle", "a night train", "an old van"],
        sea=["a ferry", "a canoe", "a sailing boat", "a cargo ship", "a rowing boat"],
        air=["a glider", "a helicopter", "a hot-air balloon", "a jet", "a small plane"],
    ),
    _labels(
        "answer_given",
        [
            "Does {person} accept or decline {invitation}? Answer accept or decline.",
            "Read the reply from {writer} to {invitation} and label it accept or decline.",
            "For the guest list of {occasion}, sort the answer into accept and decline.",
        ],
        "Reply: {}",
        accept=["Yes, I will gladly come! {name}", "Thank you, count me in. {name}"],
        decline=["Sadly I cannot make it. {name}", "I am sorry, but {excuse}. {name}"],
    ),
    _labels(
        "manners",
        [
            "Is the request that {writer} made polite or rude?",
            "Would {person} find the sentence polite or rude?",
            "Check {note} before it is sent to {company}, and label it polite or rude.",
        ],
        "Sentence: {}",
        polite=["{tone.1}", "Would you please {chore}?"],
        rude=["{tone}", "{Chore}, and do it fast, you fool!"],
    ),
    _labels(
        "word_class",
        [
            "Is the word from {doc} a noun or an adjective?",
            "Label the word as noun or adjective for {use}.",
            "Noun or adjective? Help {audience} to sort the words of {writer}.",
        ],
        "Word: {}",
        noun=["{noun}", "{object}"],
        adjective=["{adjective}", "{adjective.1}"],
    ),
    _labels(
        "literal",
        [
            "Is the phrase that {hero} uses meant literally? Answer literal or figurative.",
            "Decide for {use} whether the expression is literal or figurative.",
            "Label the phrase from {doc} as literal or figurative.",
        ],
        "Phrase: {}",
        literal=["to {act}", "to {chore}"],
        figurative=["{idiom}"],
    ),
    _labels(
        "promise",
        [
            "Does {writer} make a promise, a threat or an offer?",
            "Sort the sentence from {doc} into promise, threat and offer.",
            "How should {person} understand the line: as a promise, a threat or an offer?",
        ],
        "Sentence: {}",
        promise=["I give you my word that I will {act}.", "I promise to {chore}, {name}."],
        threat=["If you do not {act}, you will be sorry.", "{Chore}, or you will regret it!"],
        offer=["Would you like me to {act} for you?", "Shall I {chore} for you, {name}?"],
    ),
    _labels(
        "cost_level",
        [
            "Does {writer} find {purchase} cheap or expensive?",
            "Label the price remark about {goods} as cheap or expensive.",
            "Cheap or expensive? Sum up what {person} says about {purchase}.",
        ],
        "Remark: {}",
        cheap=["What a bargain, only {small} euros!", "{name} got it for next to nothing."],
        expensive=["It costs a fortune, far too much!", "{name} cannot afford such a high price."],
    ),
]

FAMILIES: tuple[Family, ...] = (
    *_WRITING,
    *_PLANNING,
    *_KNOWLEDGE,
    *_MATHS,
    *_REWRITING,
    *_EXTRACTION,
    *_CLASSIFICATION,
)
"""All families, about a quarter of them classification."""
