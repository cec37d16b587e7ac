"""The grammar's vocabulary: tables by name, each a tuple of rows of equally many columns.

`phrases` are tables of one column, separated by semicolons. `rows` have one row a line and columns separated by `|`.
"""

# ruff: noqa: E501 (a row stands on one line)

from __future__ import annotations

from collections.abc import Mapping


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple((" ".join(phrase.split()),) for phrase in text.split(";"))


def _rows(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(cell.strip().replace("\\n", "\n") for cell in line.split("|")) for line in text.strip().splitlines()
    )


_PHRASES = {
    # people to write to or to speak about, singular
    "person": """
        my neighbour; my landlord; an old school friend; a new colleague; the head teacher; my aunt in Canada;
        the manager of a hotel; a shy cousin; the town council; my piano teacher; a former boss; the owner of a
        bakery; a pen friend abroad; the editor of a local newspaper; a busy doctor; the captain of the rowing
        team; the organiser of a street fair; my younger brother; a retired nurse; the driver of the school bus;
        a customer from Wales; the village librarian; my study partner; a travel agent; the coach of the girls'
        team; a visiting professor; my future flatmate; the new postman; a volunteer at the shelter; my
        great-uncle; the head of the choir; a guest from Japan; the caretaker of our building; a nervous
        trainee; the chair of the parents' association; a friend in hospital
    """,
    "invitation": """
        an invitation to a garden party; a place on the board; a weekend at the lake; a job offer; an evening at
        the opera; a free puppy; a ticket for the cup final; a lift to the airport; a role in the school play; a
        seat on the jury; a dinner for twelve; a loan of money; a trip to the mountains; an interview for the
        radio; a piano lesson; a spare television; an early meeting; a second helping of cake
    """,
    "excuse": """
        the car is at the garage; a relative is visiting that week; the deadline is too close; there is an exam
        on the same day; the doctor ordered rest; the last train leaves too early; a promise was made to someone
        else; the baby does not sleep yet; the money is needed elsewhere; the dates clash with a holiday; the
        cat is allergic to travel; nobody else can mind the shop; the roof is being repaired; the flight was
        booked months ago; the knee still hurts; the family comes first this year
    """,
    "kindness": """
        lending a tent for the summer; minding the dog over Easter; a handmade birthday card; fixing the garden
        gate; a jar of plum jam; staying late before the deadline; a lift through the snow; returning a lost
        wallet; teaching the children to swim; a bunch of yellow tulips; proofreading a long report; sharing an
        umbrella in the storm; a surprise breakfast; carrying the sofa up four floors; a week of soup and
        company; finding the missing parrot; translating an official letter; repairing an antique clock
    """,
    "mishap": """
        breaking a blue vase; missing the rehearsal; forgetting an anniversary; a noisy party on Sunday night;
        sending the wrong parcel; arriving an hour late; spilling coffee on the contract; losing a library book;
        a double booking; denting the car door; burning the lasagne; an unanswered letter; giving away a secret;
        letting the hens escape; a rude remark at dinner; waking the whole street; overcharging by twenty euros;
        mixing up two names
    """,
    "amends": """
        a home-cooked meal; full repayment; a new one in the same colour; an afternoon of help; a discount;
        fresh flowers; a thorough clean-up; a quiet evening next time; free delivery for a month; a sincere
        visit; two tickets to the theatre; a handwritten card; money for the repair; a large chocolate cake; a
        fresh start
    """,
    "company": """
        a furniture store; an internet provider; a railway company; a mail-order florist; a language school; a
        hotel by the sea; a removal firm; an online bookshop; a dentist's practice; a car rental office; a
        kitchen supplier; a fitness studio; the city swimming pool; a phone shop; a window cleaner; a pet food
        maker; an insurance office; a concert hall
    """,
    "fault": """
        a table with three legs; a bill that was charged twice; a seat without heating; wilted roses; a lesson
        that never took place; a noisy room above the bar; a scratched mirror; a missing second volume; an
        appointment moved without notice; a broken seat belt; a drawer that will not close; a locker that does
        not lock; lukewarm showers; a screen with a crack; streaks on every pane; mouldy biscuits; a letter that
        contradicts itself; a view blocked by a pillar
    """,
    "remedy": """
        a full refund; a replacement within a week; an apology from the manager; a written explanation; half of
        the money back; a visit by a technician; a voucher for next time; a new appointment; a corrected bill; a
        phone call before Friday; free return of the goods; a better seat
    """,
    "occasion": """
        a golden wedding; a retirement party; a birthday at the zoo; a farewell breakfast; a summer barbecue; a
        school reunion; a house-warming; the opening of a bicycle shop; a baby's first birthday; a charity
        concert; a picnic after the exams; a neighbourhood clean-up; a surprise party; a graduation dinner; a
        chess evening; a family weekend in the hills; a costume ball; a harvest festival; an engagement lunch; a
        book club meeting; a tree-planting day; a midnight swim; a quiz night; a pancake breakfast
    """,
    "venue": """
        the old mill; a rooftop garden; the community hall; a boat on the canal; our back garden; the cafe
        beside the station; the school gym; a barn outside the village; the museum courtyard; a park by the
        river; the parish house; a tent on the beach; the fire station; a quiet vineyard; the upstairs library;
        our new flat
    """,
    "detail": """
        the bus that stops nearby; a dress code of white and green; vegetarian food; the rain plan; live music
        from seven; where to park; a wish list; that children are welcome; a small entrance fee; the need to
        bring a chair; a song contest; when the cake is cut; a raffle for the animal shelter; that dogs must
        stay at home; free tea and coffee; a lift for older guests
    """,
    "board": """
        the staff kitchen; the entrance of a block of flats; a village shop window; the changing room of a gym;
        the reading room; a university corridor; the door of a surgery; a campsite; a ferry terminal; the
        laundry room; a playground fence; a hotel lobby; an art supplies shop; the bicycle cellar; a bus
        shelter; a swimming pool
    """,
    "news": """
        the lift is out of order until Thursday; a grey kitten has been found; hot water is switched off
        tonight; the summer course begins a week late; volunteers are needed for the flood walls; the coffee
        machine is repaired; lost gloves can be collected upstairs; the path is closed after the storm; a flea
        market takes place in May; ball games are no longer allowed; the opening hours change in winter; a yoga
        class has two free places; the choir looks for tenors; rubbish is collected on Mondays now; the north
        entrance is locked at nine; bicycles without owners will be given away; the flu vaccine has arrived;
        fresh eggs are sold every Saturday
    """,
    "goods": """
        a folding bicycle; an oak wardrobe; a set of copper pans; a child's violin; a two-person tent; an
        electric typewriter; a rocking chair; a box of comic books; a pair of hiking boots; a sewing machine; a
        garden shed; an aquarium with a lamp; a leather suitcase; a wooden sledge; a record player; an espresso
        machine; a green velvet sofa; a telescope on a tripod; a canoe with two paddles; a chess set of walnut
        wood
    """,
    "selling": """
        its age; one honest flaw; the reason for selling it; a fair price; how often it was used; where it can
        be seen; its unusual colour; who would enjoy it most; how heavy it is; a spare part that comes with it;
        that it comes from a smoke-free home; the hours for viewing
    """,
    "hero": """
        a lighthouse keeper; an old magician; a girl who collects keys; a baker without taste; a retired spy; a
        jealous gardener; a tram driver; a dragon with a cold; a careful burglar; a boy who talks to birds; an
        astronaut on leave; a night nurse; a clockmaker; a forgetful robot; a travelling dentist; a queen in
        disguise; a lonely ferryman; the last snow leopard; a young judge; a violinist from Naples; a polite
        ghost; a detective who hates rain; a clumsy acrobat; a farmer's clever goat
    """,
    "plight": """
        a letter that arrives forty years late; a door that was not there yesterday; a missing spoon; an island
        without shadows; a bet that goes too far; an unlucky number; a storm in the middle of June; a voice in
        the chimney; the wrong suitcase; a village that never sleeps; an honest thief; a broken promise; a key
        made of ice; a stranger with the same name; a town without clocks; a secret recipe; the coldest night of
        the year; a whale in the harbour; a song that nobody remembers; an unexpected inheritance; a stubborn
        shadow; a train that skips one station
    """,
    "poetic": """
        the first frost; a broken umbrella; an empty railway platform; the smell of rain; my grandmother's
        kitchen; a candle in the window; autumn leaves on a lake; the sound of skates; a sleeping city; the
        colour of honey; a lost balloon; footprints in the snow; the last day of school; a moth at the lamp; an
        old apple tree; the tide coming in; a letter never sent; morning fog; a street musician; fireflies above
        the grass
    """,
    "voice": """
        a sailor far from home; a tired schoolchild; a cat on the roof; a proud grandfather; the moon; a bride
        on her wedding day; a snowman in March; a gardener at dusk; a lighthouse; someone who moved away; a bus
        driver at midnight; a small river; an empty chair; a soldier on leave; a curious crow; a new parent
    """,
    "business": """
        a bakery that opens at midnight; a shop for left-handed people; a mobile hairdresser; a cat hotel; a
        cafe full of board games; a repair shop for toys; a florist on a barge; a school for kite makers; a
        bicycle courier; a soup kitchen on wheels; a tailor for uniforms; a rooftop cinema; an organic dairy; a
        climbing hall; a second-hand bookshop; a museum of buttons; a tea house by the sea; a driving school; a
        pottery studio; a garden centre; a ferry to the islands; a sock factory; a chess cafe; a honey farm
    """,
    "twist": """
        that mentions the weather; that rhymes; of no more than five words; that makes children laugh; that
        sounds old-fashioned; with a pun in it; that a grandparent would like; that works in an advert on the
        radio; that begins with the same letter twice; that promises fast service; without any adjective; that
        tells a tiny story; that suits a rainy town; that is easy to spell; that hints at the price
    """,
    "scene": """
        a harbour before sunrise; a crowded night bus; the attic of an old house; a market in the rain; a beach
        after the holidays; a classroom during an exam; a workshop full of clocks; a frozen waterfall; the
        kitchen of a busy restaurant; a field of sunflowers; a waiting room at the vet's; an abandoned
        fairground; a library at closing time; a mountain hut in a storm; a street on the morning after a
        carnival; a greenhouse in winter; a ship's engine room; a small airport at night; a barber's shop on
        Saturday; a castle under repair
    """,
    "sense": """
        sounds alone; the smells in the air; the eyes of a child; a single long sentence; short sentences only;
        one surprising comparison; the words of a tour guide; details that suggest danger; a calm voice; colours
        but no shapes; the present tense; the view of a bird; a hint of humour; touch and temperature
    """,
    "work": """
        a night baker; a bicycle mechanic; a primary school teacher; a zookeeper; a florist; a tram driver; a
        beekeeper; a stage carpenter; a dental nurse; a park ranger; a tailor; a weather reporter; a locksmith;
        a pastry chef; a tour guide; a violin maker; a librarian; a lifeguard; a glazier; a vet; a surveyor; a
        piano tuner; a court interpreter; a plumber; a fisherman; a chimney sweep
    """,
    "workplace": """
        a small theatre; a family hotel; a busy city hospital; a travelling circus; a mountain hotel; a factory
        for bells; a botanical garden; an open-air theatre; a research institute; a language school; a sheep
        farm; a museum of trains; a holiday camp; a rural post office; a small airport; a home for retired
        sailors
    """,
    "purchase": """
        an electric kettle; a rain jacket; a desk lamp; a travel pillow; a pair of headphones; a garden hose; a
        crime novel; a waffle iron; a city tour; a sleeping bag; a coffee grinder; a board game about trains; a
        bicycle helmet; an alarm clock; a set of watercolours; a cookery course; a folding chair; a vacuum
        cleaner; a backpack for students; a bird feeder; a fountain pen; an air mattress
    """,
    "feature": """
        the price; the colour; the weight; how easily it can be cleaned; the friendly service; the packaging;
        the instructions; the quality of the material; the size; how long it lasts; the noise it makes; the
        clever design; the delivery; the guarantee; how simple it is to use; the smell
    """,
    "chore": """
        water the tomatoes; return the library books; book the dentist; feed the goldfish; bring the projector;
        pay the electricity bill; collect the parcel; turn off the heating; sign the form; lock the garden gate;
        order more paper; pick up the twins from school; charge the camera; reserve a table for six; defrost the
        soup; renew the passport; take out the bins; call the plumber; iron the costumes; buy stamps
    """,
    "deadline": """
        before noon; by Friday evening; on the way home; before the guests arrive; tomorrow at eight; before the
        shops close; at the end of the month; during the lunch break; before it rains; within two days; after
        the meeting; before the holidays; tonight; first thing on Monday; before the train leaves; in time for
        the weekend
    """,
    "dispute": """
        who left the window open; the price of a used piano; whether robots can be funny; the last slice of pie;
        a lost umbrella; which film to watch; how to fold a tent; the best way to peel an orange; a strange
        noise upstairs; the route through the forest; whether cats can be trained; a chess move; the temperature
        in the office; the name of a new puppy; a parking space; who pays for dinner; a mysterious postcard;
        whether to move abroad
    """,
    "city": """
        Lisbon; Vienna; Edinburgh; Kyoto; Montreal; Prague; Seville; Copenhagen; Chicago; Naples; Hanoi; Ghent;
        Tallinn; Marrakesh; Melbourne; Krakow; Dublin; Istanbul; Lyon; Cape Town; Quito; Bergen; Athens; Basel
    """,
    "span": """
        a rainy weekend; one long day; three days in spring; a free afternoon; two days before Christmas; a
        quiet Sunday; four days in July; an evening and a morning; a week in autumn; a stopover of eight hours;
        the first day of a visit; five days without a car
    """,
    "group": """
        a couple with a baby; two retired teachers; a class of teenagers; a jazz band; four old friends; a
        grandmother and her grandson; a group of nurses; two photographers; a family with a wheelchair; three
        sisters; students with little money; a rowing club; three lone travellers; a father and two toddlers; a
        team of engineers; newly-weds
    """,
    "taste": """
        love old churches; cannot walk far; eat no meat; want to meet local people; dislike crowds; are fond of
        modern art; need a nap after lunch; collect stamps; like to get up early; hope to see animals; enjoy
        street food; prefer boats to buses; want to spend nothing; look for quiet gardens; adore bookshops; are
        interested in bridges
    """,
    "exam": """
        a driving test; a chemistry exam; an Italian oral; a history final; a piano audition; a maths resit; a
        sailing licence; a nursing exam; a spelling contest; a geography quiz; a coding interview; a first-aid
        test; a biology practical; a pilot's theory paper; an essay on Shakespeare; a hunting licence
    """,
    "obstacle": """
        only the evenings are free; there is a baby in the house; two chapters are still unread; motivation is
        low; the textbook is missing; work starts at six; half of the time is already gone; mornings are
        hardest; a choir tour lies in between; the flat is noisy; sleep matters more than marks; the exam comes
        sooner than expected; there are three other exams; the weekends must stay free
    """,
    "guests": """
        eight hungry hikers; a child who hates onions; my vegetarian in-laws; two people on a budget; a birthday
        table of ten; guests without much time; a friend who is learning to cook; a camping stove; someone with
        no oven; a lazy Sunday; a cold winter evening; a school canteen; a picnic basket; a first date; a night
        shift; a family of five
    """,
    "trouble": """
        my neighbour practises the drums at night; I keep forgetting people's names; my houseplants die within
        weeks; my flatmate never washes up; I cannot fall asleep before two; my dog is afraid of the vacuum
        cleaner; our team meetings last too long; I am nervous before every phone call; my son refuses to eat
        vegetables; my back hurts after a day at the desk; I spend too much on takeaway food; my bicycle chain
        keeps coming off; I always arrive ten minutes late; my best friend has moved abroad; the cat scratches
        the new sofa; I have too many unread books; my shoes squeak on wooden floors; I get bored while jogging;
        my colleague interrupts everyone; my kitchen smells of fish; I have lost interest in the violin; my
        grandfather feels lonely; the kettle is full of limescale; I cannot say no to extra work
    """,
    "advice": """
        keep a small notebook for a week and write down when it happens; talk about it calmly at a good moment;
        start with five minutes a day and add a little each week; ask someone who has solved the same problem;
        agree on one clear rule and stick to it for a month; change one thing at a time and watch what helps;
        set a timer and stop as soon as it rings; choose a cheaper option first and see if it is enough; make it
        easy by preparing everything the evening before; reward yourself after each small success; look for a
        quieter time or another place; ask for help before it becomes worse
    """,
    "wish": """
        spend nothing; hurt nobody's feelings; see a result this week; keep it a secret; stay polite; avoid
        buying new things; involve the whole family; do it without an app; respect the rules of the house;
        change as little as possible; have some fun with it; do without a doctor; act before the weekend; remain
        friends
    """,
    "audience": """
        a curious ten-year-old; a class of beginners; someone who has never left the city; my grandmother; a
        visitor from the past; a sceptical teenager; a group of tourists; a busy manager; a football team; a new
        flatmate; listeners of a radio show; a patient in a waiting room; a foreign exchange student; a friend
        who hates science; a room full of poets; a five-year-old
    """,
    "manner": """
        in two short sentences; without technical terms; in plain words; with one example from the kitchen; in
        fewer than forty words; step by step; with a comparison from sport; in a single sentence; without using
        any numbers; in a friendly tone; in the form of a letter; with a small joke; as if on the telephone;
        with one fact and one example
    """,
    "doc": """
        the diary of a sailor; the minutes of a parents' evening; a letter from my grandmother; an old travel
        guide; the blog of a young cook; a report on school sports; the notes of a bird watcher; a leaflet of
        the tourist office; the log of a lighthouse; a detective story; the newsletter of a choir; a biography
        of a painter; the memories of a miner; a handbook for scouts; an interview with a gardener; a fairy
        tale; an essay by a pupil; the chronicle of our village; a radio play; a postcard from Crete; a novel
        about a circus; a speech at a wedding; the notebook of a nurse; a column in the evening paper; a guide
        for new neighbours; the script of a puppet show; a message in a bottle; a calendar of a farm; the
        prologue of a comedy; a witness statement; a textbook for beginners; the letters of two pen friends; a
        brochure about healthy living; a song from the islands; a review of a play; a story told by my uncle;
        the archive of a football club; a podcast about trains; a lecture on daily life; the first page of a
        thriller
    """,
    "keep": """
        keeping every name as it is; and change nothing else; without adding new words; and leave the order
        alone; as a careful editor would; so that the meaning stays the same; and check your answer once; before
        it is printed; on a single line; and return only the result; as neatly as possible; while keeping the
        tone; and mind the spelling; using the same punctuation; with as few changes as you can; and do not
        explain anything; just as a teacher would; exactly as it should appear in print
    """,
    "use": """
        a grammar quiz; a homework sheet; a poster in the hall; a language course; a school magazine; a test
        next Tuesday; a puzzle book; a website for pupils; a worksheet; a card game; a class of adults; a radio
        script; a book of exercises; a warm-up before class; an exhibition; an evening course; a museum label; a
        screen reader; a data entry job; the yearbook; a small database; a printed programme; a crossword; a
        party game
    """,
    "writer": """
        a hotel guest; the parent of a pupil; a passenger on the night train; a tenant on the third floor; a
        subscriber to a magazine; a patient at the eye clinic; a visitor to the aquarium; a regular at the cafe;
        a member of the gym; a first-time camper; a shopper at the farmers' market; an exchange student; a user
        of a fitness app; the owner of an old van; a museum volunteer; a player of the county team; a commuter
        from the suburbs; a buyer of garden tools; a reader of the local paper; an apprentice electrician; a
        delivery driver; a theatre subscriber; a client of the bank; a holder of a season ticket
    """,
    "matter": """
        the new timetable; the evening class; the repaired lift; the ticket machine; the canteen menu; the
        summer festival; the online booking; the garden tour; the new reading room; the cleaning service; the
        breakfast buffet; the customer hotline; the playground; the swimming course; the bike rental; the sound
        system; the membership fee; the guided walk; the winter sale; the parking garage; the loyalty card; the
        first rehearsal; the spare key; the heating system
    """,
    "note": """
        a message on the answering machine; a card on the noticeboard; an entry in the guest book; a text
        message; a note under the door; a comment on a website; an email from this morning; a remark at the
        counter; a line in a survey; a postcard; a chat message; a voice memo; a letter to the editor; a slip of
        paper on the desk
    """,
    "helper": """
        a trainee at the front desk; the editor of a newsletter; a volunteer on the phone; the owner of the
        shop; a busy secretary; the head of customer care; a student assistant; the duty manager; a new member
        of staff; the organiser of the event; a researcher; a moderator; the night porter; a teacher who marks
        essays
    """,
    "name": """
        Anna; Omar; Lucia; Pavel; Grace; Hugo; Mina; Felix; Nora; Kenji; Ruth; Ivan; Clara; Tariq; Elsa; Bruno;
        Wendy; Samuel; Priya; Oscar; Helen; Jonas; Leila; Victor; Ingrid; Marco; Daisy; Arthur; Fatima; Simon
    """,
    "place": """
        Dover; Turin; Oxford; Malmo; Boston; Cork; Porto; Geneva; Leeds; Utrecht; Perth; Cardiff; Bilbao; Graz;
        Halifax; Odense; Trieste; Bristol; Antwerp; Geelong
    """,
    "weekday": "Monday; Tuesday; Wednesday; Thursday; Friday; Saturday; Sunday",
    "month": "January; February; March; April; May; June; July; August; September; October; November; December",
    "hour": "seven; eight; nine; ten; eleven; noon; two; three; four; five",
    "small": "2; 3; 4; 5; 6; 7; 8; 9",
    "digit": "2; 3; 4; 5",
    "even": "0; 2; 4; 6; 8",
    "odd": "1; 3; 5; 7; 9",
    "few": "two; three; four; five",
    "ten": "10; 20; 30; 40; 50; 60; 70; 80; 90",
    "thing": """
        lemons; pencils; tickets; bread rolls; postcards; candles; apples; stamps; bottles of juice; notebooks;
        tulips; batteries; balloons; sandwiches; buttons; marbles; chairs; plates; keys; socks; eggs; magnets;
        stickers; cupcakes
    """,
    "colour": "red; blue; green; yellow; black; white; brown; grey; purple; orange",
    "fruit": "apple; banana; cherry; grape; lemon; mango; orange; peach; pear; plum; fig; melon; kiwi; lime; date; quince",
    "object": """
        ladder; kettle; basket; lantern; hammer; mirror; bucket; pillow; needle; saddle; violin; candle; anchor;
        barrel; compass; drum; engine; feather; glove; helmet; jacket; key; wallet; rope; shovel; tent
    """,
    "noun": """
        river; castle; garden; bridge; forest; island; market; teacher; doctor; summer; window; letter; music;
        horse; winter; kitchen; mountain; station; village; friend
    """,
    "club": """
        a running club; a knitting circle; a film society; a chess club; a youth orchestra; a hiking group; a
        debating club; a street theatre; a repair cafe; a community garden; a rowing team; a bird-watching
        group; a ceramics class; a brass band; a school newspaper; a cooking club; a model railway club; a beach
        volleyball team
    """,
    "agenda": """
        the budget for next year; a new logo; the broken boiler; holiday cover; the summer trip; late payments;
        a code of conduct; new members; the website; training for beginners; the annual party; safety rules; a
        joint project with the school; the choice of a treasurer; rising rents; the sound equipment
    """,
    "limit": """
        ends on time; leaves room for questions; lasts half an hour; begins with good news; hurts nobody; needs
        no slides; can be held outdoors; includes a short break; gives everyone a turn; closes with a vote; fits
        on one page; starts with the hardest point
    """,
    "place_rule": """
        a shared kitchen; a tree house; a silent reading room; a school bus; a public sauna; a dog park; a
        carpool; a toy library; a rooftop terrace; a youth hostel; a tool shed; a hen house; a rehearsal room; a
        family car; a canoe club; a laboratory; a campsite by the lake; a communal laundry
    """,
    "rule": """
        leave everything as clean as you found it; be quiet after ten in the evening; share fairly and ask
        first; report any damage at once; bring back what you borrow; take turns and be patient; keep the door
        closed; greet newcomers and help them; put your name on your things; switch off the lights when you
        leave; no running and no shouting; eat and drink outside only; listen to the person in charge; carry
        your rubbish home
    """,
    "hope": """
        newcomers understand it at once; nobody feels bossed about; fewer things break; it fits on a small sign;
        the neighbours stop complaining; children obey it gladly; visitors smile; it stays clean; people share
        more; accidents become rare; the mood improves; even guests follow it
    """,
    "interest": """
        grows chilli peppers; has just learned to ski; collects rare clocks; is always cold; bakes every Sunday;
        lives on a houseboat; plays the trombone; loves detective stories; has everything already; works at
        night; keeps three parrots; walks to work in any weather; is moving to Norway; studies beetles; paints
        on glass; never switches off the radio; is training for a marathon; cannot stand clutter
    """,
    "relative": """
        my sister-in-law; a retired teacher; our babysitter; my best friend; the neighbour's son; my dance
        partner; a colleague; my stepfather; our piano teacher; my goddaughter; an exchange student; my
        grandfather; the team captain; a friend's mother; my twin brother; our host family
    """,
    "price": """
        for under ten euros; that I can make myself; that fits in an envelope; without any packaging; that lasts
        for years; that can be shared; as a small surprise; that arrives by Friday; for a fiftieth birthday; as
        a farewell present; to say thank you; that takes up no space; for a housewarming; to cheer them up
    """,
    "gift": """
        a pot of herbs for the windowsill; a warm pair of hand-knitted socks; a book of short stories; a voucher
        for a boat trip; a jar of home-made jam; a calendar with your own drawings; a good pocket knife; two
        tickets for a concert; a blank notebook with thick paper; a box of dark chocolate; an evening of
        babysitting; a small lamp for reading; a bag of tulip bulbs; a hand-printed tea towel
    """,
    "sport": """
        rowing; table tennis; archery; fencing; ice hockey; judo; badminton; rock climbing; water polo;
        handball; cross-country skiing; orienteering; wheelchair basketball; diving; curling; long-distance
        swimming
    """,
    "fitness": """
        has weak knees; sits at a desk all day; is over seventy; has ten minutes in the morning; travels a lot;
        hates gyms; is recovering from a cold; shares a small flat; wants to sleep better; plays the cello;
        carries a toddler all day; has never exercised; gets bored quickly; prefers to train with friends
    """,
    "exercise": """
        ten slow squats; a minute of marching on the spot; eight push-ups against a wall; arm circles in both
        directions; twenty heel raises; a gentle stretch of the neck; a plank of twenty seconds; five deep
        breaths; climbing one flight of stairs; standing on one leg; twelve sit-ups; a brisk walk around the
        block
    """,
    "belief": """
        pupils should learn to cook at school; cities ought to ban cars on Sundays; homework does more harm than
        good; museums should be free for everybody; a four-day week makes people happier; zoos still have a
        place today; paper books will survive; every child should learn an instrument; night trains are better
        than planes; offices need a room for naps; public parks should allow dogs; uniforms make school fairer;
        adults should play more; libraries matter more than ever; fireworks ought to be forbidden; grandparents
        should be paid for babysitting
    """,
    "reader": """
        a letter to the mayor; a school debate; a student newspaper; a short radio comment; a blog for parents;
        a town meeting; a talk show; a poster; a family discussion; a leaflet; a podcast; a public hearing
    """,
    "reason": """
        it costs little and helps many people; it teaches patience and care; it is good for health and mood; it
        saves time every single week; it brings people of all ages together; small changes often last longest;
        other towns have tried it with success; it is fair to those who have less; children learn best by doing;
        it makes everyday life calmer; most people would agree after a month; it leaves more room for choice
    """,
    "against": """
        it may be hard to organise; some people would have to pay more; not everyone has the time; habits change
        slowly; the rules would need to be clear; a few shops could lose customers; it might not work in small
        towns; it needs good planning
    """,
    "character": """
        a pirate; a medieval knight; a weather forecaster; a grumpy cat; a proud chef; a football commentator; a
        shy robot; a schoolteacher; an opera singer; a polite butler; a tired taxi driver; a wise owl; a time
        traveller; a kindergarten child; a ship's cook; a museum guard
    """,
    "plain": """
        the bus is late; dinner is ready; it is raining again; the shop is closed; I have lost my keys; the soup
        is too salty; we won the match; the lights went out; there is no milk left; the exam was easy; my phone
        is broken; the guests are leaving; the train has arrived; the window is open; tomorrow is a holiday; the
        cake has burned
    """,
    "flourish": """
        Ahoy, my friends!; Hear me, noble folk!; Good evening, everyone!; Well, what can I say?; Listen closely,
        please!; Oh dear, oh dear!; Ladies and gentlemen!; Believe it or not,; As I always say,; Mark my words:
    """,
    "idea": """
        hand out paper lanterns; invite a local band; let everyone bring one dish; build a small stage; hang up
        old photographs; start with a short walk; prepare a quiz about the hosts; rent a popcorn machine; plant
        a tree together; offer a free tasting; collect recipes in a book; organise a sack race; write wishes on
        ribbons; borrow benches from the school; end with a song; put up a swap table; make name badges; set up
        a story corner
    """,
    "aim": """
        raise money for new instruments; thank the volunteers; bring two streets together; welcome new families;
        save the old cinema; attract younger members; celebrate the first year; make winter less lonely; get
        children to read; use up leftover food; protect the pond; practise a foreign language; repair the church
        roof; keep costs below a hundred euros
    """,
    "subject": """
        clouds; volcanoes; honey bees; bridges; dreams; electric cars; the human heart; whales; chocolate;
        deserts; glaciers; money; sleep; bread; paper; rainbows; the Vikings; robots; mushrooms; lighthouses;
        coral reefs; trains; vitamins; the moon; spices; earthquakes
    """,
    "ask_form": """
        that can be answered with yes or no; with four possible answers; that start with the word why; for a
        quiz among friends; that no search engine can answer; from easy to hard; that make people think; suited
        to primary school; for an interview with an expert; that begin a conversation; that fit on one card; for
        a long car journey
    """,
    "question_start": """
        Why do people care so much about; What would happen without; How would you describe; When did you first
        hear about; Who knows the most about; What is the strangest fact about; Where can one learn more about;
        How long have people known about
    """,
    "event": """
        a bicycle tour; a school concert; a street market; a moving day; a camping trip; a job interview; a
        dinner party; a poetry reading; a science fair; a family wedding; a blood donation; a dog show; a
        marathon; a garden open day; a theatre premiere; a children's disco; a film night; a charity run; an
        open house; a beach clean-up
    """,
    "worry": """
        rain is forecast; there are only two helpers; the budget is tiny; many guests are children; everything
        has to fit in one car; the hall has no kitchen; nobody has done it before; the neighbours are sensitive;
        it starts at dawn; half of the guests eat vegan; there is no electricity; the date was moved forward;
        some visitors use wheelchairs; the keys must be back by ten
    """,
    "task_step": """
        make a list of who does what; check the weather and have a plan for rain; order food and drinks in time;
        send a reminder to all helpers; test the lights and the sound; pack tape, pens and scissors; reserve the
        room early; print the schedule; charge all batteries; set aside cash for small costs; tell the
        neighbours; label the boxes; arrange a lift for the heavy things; clean up together afterwards
    """,
    "morning": """
        wakes up too late; has to walk two dogs; works from home; commutes by ferry; trains for a race; shares
        one bathroom with five people; lives alone; looks after a baby; starts work at four; wants to read more;
        skips breakfast; is recovering from stress; studies at night; runs a small cafe; paints before work; has
        no clock
    """,
    "packer": """
        forgets something every time; only takes hand luggage; travels with two small children; gets cold
        easily; has never done it before; likes to be ready for anything; wants to carry no more than five
        kilos; leaves in ten minutes; has a bad back; hates to buy things on the way; shares one bag with a
        friend; must look smart on arrival; loves to read; cannot live without coffee
    """,
    "habit": """
        drink a glass of water; open the window for five minutes; stretch by the bed; write three lines in a
        diary; eat some fruit and oats; walk around the block; plan the day on paper; listen to one piece of
        music; read two pages; take a cool shower; make the bed; leave the phone in the kitchen
    """,
    "tense_time": """
        yesterday; last week; every morning; on Sundays; before lunch; after school; last summer; in the evening
    """,
}

_ROWS = {
    # a strength in the third and in the first person
    "trait": """
        speaks two languages | speak two languages
        likes early mornings | like early mornings
        stays calm under pressure | stay calm under pressure
        has steady hands | have steady hands
        is good with children | am good with children
        can carry heavy loads | can carry heavy loads
        enjoys working alone | enjoy working alone
        writes clear reports | write clear reports
        owns a driving licence | own a driving licence
        is not afraid of heights | am not afraid of heights
        learns quickly | learn quickly
        has a sense of humour | have a sense of humour
        can work at weekends | can work at weekends
        pays attention to detail | pay attention to detail
        loves the outdoors | love the outdoors
        never loses patience | never lose patience
    """,
    # infinitive, third person, past, gerund, its object, the passive
    "act": """
        paint the fence | paints the fence | painted the fence | painting the fence | the fence | was painted
        bake the bread | bakes the bread | baked the bread | baking the bread | the bread | was baked
        clean the windows | cleans the windows | cleaned the windows | cleaning the windows | the windows | were cleaned
        repair the radio | repairs the radio | repaired the radio | repairing the radio | the radio | was repaired
        write the report | writes the report | wrote the report | writing the report | the report | was written
        close the gate | closes the gate | closed the gate | closing the gate | the gate | was closed
        feed the horses | feeds the horses | fed the horses | feeding the horses | the horses | were fed
        sell the tickets | sells the tickets | sold the tickets | selling the tickets | the tickets | were sold
        carry the boxes | carries the boxes | carried the boxes | carrying the boxes | the boxes | were carried
        wash the car | washes the car | washed the car | washing the car | the car | was washed
        open the shop | opens the shop | opened the shop | opening the shop | the shop | was opened
        cook the soup | cooks the soup | cooked the soup | cooking the soup | the soup | was cooked
        sing the song | sings the song | sang the song | singing the song | the song | was sung
        read the letter | reads the letter | read the letter | reading the letter | the letter | was read
        pack the suitcase | packs the suitcase | packed the suitcase | packing the suitcase | the suitcase | was packed
        plant the roses | plants the roses | planted the roses | planting the roses | the roses | were planted
        lock the door | locks the door | locked the door | locking the door | the door | was locked
        count the sheep | counts the sheep | counted the sheep | counting the sheep | the sheep | were counted
        deliver the parcel | delivers the parcel | delivered the parcel | delivering the parcel | the parcel | was delivered
        tune the piano | tunes the piano | tuned the piano | tuning the piano | the piano | was tuned
        hide the keys | hides the keys | hid the keys | hiding the keys | the keys | were hidden
        teach the class | teaches the class | taught the class | teaching the class | the class | was taught
        build the shed | builds the shed | built the shed | building the shed | the shed | was built
        iron the shirts | irons the shirts | ironed the shirts | ironing the shirts | the shirts | were ironed
        find the ring | finds the ring | found the ring | finding the ring | the ring | was found
        peel the potatoes | peels the potatoes | peeled the potatoes | peeling the potatoes | the potatoes | were peeled
        steer the boat | steers the boat | steered the boat | steering the boat | the boat | was steered
        decorate the hall | decorates the hall | decorated the hall | decorating the hall | the hall | was decorated
    """,
    # a name, its pronouns
    "who": """
        Anna | she | her
        Omar | he | his
        Lucia | she | her
        Pavel | he | his
        Grace | she | her
        Hugo | he | his
        Mina | she | her
        Felix | he | his
        Nora | she | her
        Kenji | he | his
        Ruth | she | her
        Ivan | he | his
        Clara | she | her
        Tariq | he | his
        Elsa | she | her
        Bruno | he | his
    """,
    # a subject of a list, and five things for it
    "listing": """
        quiet hobbies for winter evenings | knitting | chess | reading aloud | jigsaw puzzles | baking
        cheap lunches for a student | lentil soup | egg sandwiches | pasta with peas | baked potatoes | fried rice
        uses for an empty jam jar | a candle holder | a vase | a pencil pot | a piggy bank | a spice jar
        birds that live near water | ducks | herons | swans | gulls | kingfishers
        games for a long train journey | twenty questions | I spy | cards | word chains | riddles
        excuses for being late | a flat tyre | a lost key | a slow bus | a sick cat | a broken alarm
        smells of a summer garden | cut grass | roses | wet soil | tomato leaves | lavender
        ways to save water at home | short showers | a full dishwasher | rain barrels | repaired taps | mulched beds
        jobs that start before sunrise | baking | farming | fishing | nursing | bus driving
        vegetables that grow underground | carrots | potatoes | beetroot | radishes | turnips
        sounds of a big city | trams | sirens | street music | church bells | traffic
        snacks without sugar | nuts | olives | cheese cubes | carrot sticks | popcorn
        things made of glass | bottles | windows | lenses | jars | mirrors
        instruments with strings | the violin | the harp | the guitar | the cello | the banjo
        reasons to learn a language | travel | friends | work | books | memory
        gifts that cost nothing | a song | a poem | a walk | a massage | an evening of help
        trees with edible fruit | apple | cherry | plum | fig | walnut
        tools every household needs | a hammer | a screwdriver | pliers | a tape measure | a torch
        warm clothes for a ski trip | gloves | a scarf | thick socks | a wool hat | a padded jacket
        topics for small talk | the weather | holidays | food | films | pets
        animals that sleep in winter | bears | hedgehogs | bats | marmots | dormice
        sports without a ball | rowing | fencing | skiing | judo | archery
        words that describe a storm | wild | loud | dark | sudden | fierce
        dishes made with eggs | omelette | pancakes | custard | quiche | fried rice
        places to meet new people | a choir | a language class | a dog park | a climbing hall | a book club
        fears that many children have | darkness | dogs | thunder | deep water | being alone
        things found in a tailor's shop | needles | thread | scissors | buttons | chalk
        habits of good listeners | eye contact | patience | short questions | nodding | silence
        inventions that changed travel | the wheel | the compass | the steam engine | the bicycle | the aeroplane
        materials for a model boat | cardboard | cork | sticks | glue | cloth
    """,
    # what a question asks, and a one-sentence answer
    "why": """
        why bread dough rises | yeast gives off gas, which stretches the dough
        why the sea is salty | rivers wash salts out of rock and the sun leaves them behind
        why leaves turn red in autumn | the green fades and other colours in the leaf can be seen
        why cats purr | they purr to calm themselves and to show that they feel safe
        why ice floats on water | water expands as it freezes, so ice is lighter
        why we yawn | yawning may cool the brain and keep us awake
        why the sky is blue | the air scatters blue light more than red light
        why onions make us cry | cutting them sets free a gas that stings the eyes
        why birds fly south in winter | they find more food where it is warm
        why metal feels colder than wood | metal carries the heat of the hand away faster
        why the moon changes its shape | we see different parts of its sunlit half
        why old books smell sweet | paper gives off sweet scents as it ages
        why bicycles stay upright | small turns of the front wheel keep the balance
        why salt melts ice on roads | salt water freezes at a lower temperature
        why popcorn pops | the water inside turns to steam and bursts the shell
        why mirrors steam up | warm damp air cools on the glass and leaves drops
        why soap removes grease | soap clings to grease on one side and to water on the other
        why tides rise and fall | the moon pulls at the water of the sea
        why dogs tilt their heads | they tilt their heads to hear and see better
        why planes leave white trails | water in the exhaust freezes to tiny crystals
        how a thermos keeps tea hot | a vacuum between two walls keeps the heat inside
        how a compass finds north | its needle lines up with the magnetism of the earth
        how bees make honey | they thicken nectar by fanning it with their wings
        how a canal lock lifts a boat | water flows into a closed chamber and raises the boat
        how glue sticks | it flows into tiny gaps and hardens there
        how a sail moves a boat | wind pushes on the sail and the keel stops the boat from slipping sideways
        how a candle burns | the wick draws up melted wax, which burns as vapour
        how a fridge stays cold | a liquid turns to gas inside it and takes the heat away
        how plants drink | roots take in water, which rises through fine tubes
        how echoes form | sound bounces off a wall and comes back
    """,
    # a thing to do, and three steps
    "howto": """
        clean a cast-iron pan | Rinse it with hot water | Scrub it with salt | Dry it and rub in some oil
        change a bicycle tube | Take off the wheel and the tyre | Put in the new tube | Refit the tyre and pump it up
        sew on a button | Thread a needle and tie a knot | Pass the thread through the holes several times | Wind it round and tie it off
        poach an egg | Bring water with a little vinegar to a simmer | Slide in the egg | Lift it out after three minutes
        wrap a round present | Put it on a square of paper | Gather the corners at the top | Tie them with a ribbon
        repot a cactus | Put on thick gloves | Move it into fresh sandy soil | Wait a week before you water it
        tie a reef knot | Cross right over left | Cross left over right | Pull both ends tight
        remove a wine stain | Dab it with a cloth | Cover it with salt | Wash it in cold water
        fold a fitted sheet | Put one corner into another | Lay it flat and straighten the edges | Fold it in thirds
        plant tulip bulbs | Dig a hole as deep as a hand | Set the bulb with its tip up | Cover it with soil and water it
        descale a kettle | Fill it with water and vinegar | Boil it and let it stand | Rinse it twice
        write a postcard | Begin with a greeting | Tell one small story | Sign it and add the address
        calm a crying baby | Check for hunger and a wet nappy | Hold it close | Rock it gently and hum
        pitch a tent | Find flat ground | Put up the poles | Fix the pegs and tighten the ropes
        cross a busy road | Find a safe place | Look both ways | Walk straight across when it is clear
        brew a pot of tea | Warm the pot | Add the leaves and boiling water | Wait four minutes and pour
        sharpen a knife | Wet the stone | Pull the blade along it at a low angle | Rinse and dry the blade
        store fresh herbs | Trim the stems | Stand them in a glass of water | Keep them in the fridge
        build a campfire | Make a ring of stones | Pile up dry twigs | Light them and add larger wood
        teach a dog to sit | Hold a treat above its nose | Say sit as it goes down | Give the treat at once
        ripen green tomatoes | Put them in a paper bag | Add a ripe apple | Check them every day
        prepare a job interview | Read about the company | Practise three answers | Lay out your clothes
        paint a door | Sand it lightly | Apply a thin coat | Let it dry and add a second coat
        read a bus timetable | Find your stop | Find the right day | Read the next time in the column
    """,
    # a dish, its ingredients, how it is made
    "dish": """
        leek soup | leeks, potatoes, stock and cream | Soften the leeks, simmer everything for twenty minutes and blend
        apple crumble | apples, flour, butter and sugar | Slice the apples, cover them with crumbs and bake for half an hour
        mushroom risotto | rice, mushrooms, onion and stock | Fry the rice and onion, add stock slowly and stir in the mushrooms
        lentil stew | lentils, carrots, tomatoes and cumin | Fry the carrots, add the rest and simmer until soft
        pancakes | flour, milk, eggs and a pinch of salt | Whisk everything, rest the batter and fry thin rounds
        potato salad | potatoes, gherkins, mustard and oil | Boil and slice the potatoes, then fold in the dressing
        tomato sauce | tomatoes, garlic, oil and basil | Fry the garlic, add the tomatoes and cook for fifteen minutes
        banana bread | bananas, flour, eggs and butter | Mash the bananas, mix in the rest and bake for fifty minutes
        fish pie | white fish, milk, leeks and mashed potato | Poach the fish, thicken the milk, cover with mash and bake
        bean chilli | beans, peppers, tomatoes and chilli | Fry the peppers, add the rest and simmer for half an hour
        cheese omelette | eggs, cheese, butter and chives | Beat the eggs, fry them gently and fold in the cheese
        rice pudding | rice, milk, sugar and cinnamon | Simmer the rice in milk and stir until it is thick
        vegetable curry | cauliflower, peas, coconut milk and spices | Fry the spices, add the vegetables and simmer
        onion tart | pastry, onions, eggs and cream | Soften the onions, pour over the eggs and cream and bake
        pea and mint soup | peas, mint, onion and stock | Boil the peas and onion in stock and blend with the mint
        oat biscuits | oats, butter, honey and raisins | Melt the butter and honey, stir in the oats and bake for ten minutes
        stuffed peppers | peppers, rice, cheese and herbs | Fill the peppers with rice and cheese and bake until soft
        carrot cake | carrots, nuts, eggs and flour | Grate the carrots, mix with the rest and bake for forty minutes
        bread dumplings | stale bread, milk, eggs and parsley | Soak the bread, shape dumplings and simmer for fifteen minutes
        lemon sorbet | lemons, water and sugar | Boil a syrup, add the juice, freeze and stir
    """,
    # an ingredient that is missing, what replaces it
    "swap": """
        buttermilk | milk with a spoonful of lemon juice
        an egg | half a mashed banana
        honey | maple syrup
        breadcrumbs | crushed crackers
        wine | stock with a little vinegar
        cream | coconut milk
        butter | vegetable oil
        rice | bulgur wheat
        basil | oregano
        lemon juice | mild vinegar
        sour cream | plain yoghurt
        walnuts | sunflower seeds
        baking powder | baking soda with lemon juice
        fresh ginger | a pinch of ground ginger
        soy sauce | salt and a little stock
        icing sugar | finely ground white sugar
    """,
    # two choices and one good side of each
    "choice": """
        a cat and a tortoise | a cat is warm company | a tortoise needs little care
        trains and buses | trains are faster on long trips | buses reach small villages
        a city flat and a farmhouse | a flat is close to everything | a farmhouse has space and quiet
        paper books and e-readers | paper books need no battery | e-readers weigh very little
        gas and electric cookers | gas reacts at once | electric cookers are safer
        camping and hotels | camping is cheap and close to nature | hotels are dry and comfortable
        tea and coffee | tea is gentler | coffee wakes you faster
        renting and buying a home | renting keeps you free | buying builds up value
        early mornings and late nights | mornings are calm | nights are full of life
        a bicycle and a scooter | a bicycle carries more | a scooter folds up small
        letters and phone calls | letters can be kept | calls are quick and warm
        wool and cotton | wool keeps you warm when wet | cotton is easy to wash
        team sports and running | teams make friends | running needs no partner
        a diary and a photo album | a diary keeps thoughts | an album shows faces
        the sea and the mountains | the sea is good for swimming | the mountains offer wide views
        cooking at home and eating out | home cooking saves money | eating out saves time
        a piano and a guitar | a piano is easy to begin on | a guitar can be carried anywhere
        online and classroom courses | online courses fit any timetable | classrooms help you ask questions
    """,
    # a word and its meaning
    "word": """
        orchard | a piece of land where fruit trees grow
        lullaby | a soft song that helps a child to sleep
        drought | a long time without rain
        apprentice | someone who learns a trade at work
        harbour | a safe place for ships near the shore
        rumour | a story that spreads although nobody knows if it is true
        budget | a plan of how money is spent
        glacier | a huge mass of ice that moves slowly
        bargain | something bought for a good price
        loyal | faithful to a friend or a cause
        recipe | a list of ingredients and steps for cooking something
        famine | a time when a great many people have no food
        dialect | the way a language is spoken in one region
        fragile | easily broken
        nomad | a person who moves from place to place
        eclipse | the time when the moon hides the sun
        inherit | to receive something from a person who has died
        curfew | a rule that people stay at home after a certain hour
        mentor | an experienced person who gives advice
        compost | old plants that turn into rich soil
        ballot | a piece of paper used for voting
        plaza | an open square in a town
        veto | the right to forbid a decision
        shrub | a low woody plant
        canopy | the roof of leaves in a forest
        monopoly | control of a market by one seller
    """,
    # two words that are confused, and how they differ
    "pair": """
        a hare and a rabbit | a hare is larger and lives above ground
        a frog and a toad | a frog has smooth skin and a toad has dry skin
        weather and climate | weather is today and climate is the average of many years
        a violin and a viola | a viola is larger and sounds deeper
        a moth and a butterfly | most moths fly by night and butterflies by day
        an island and a peninsula | a peninsula is joined to the land
        jam and marmalade | marmalade is made from citrus fruit
        a crocodile and an alligator | a crocodile has a narrower snout
        a loan and a gift | a loan has to be paid back
        a novel and a short story | a novel is much longer
        baking soda and baking powder | baking powder already contains an acid
        a canal and a river | people build canals and nature makes rivers
        a debit card and a credit card | a debit card takes the money at once
        an ape and a monkey | monkeys have tails and apes do not
        a sea and an ocean | a sea is smaller and close to land
        rain and hail | hail falls as balls of ice
        a lawyer and a judge | a lawyer speaks for one side and a judge decides
        a fable and a fairy tale | a fable ends with a moral
    """,
    # country, capital, language
    "country": """
        France | Paris | French
        Portugal | Lisbon | Portuguese
        Norway | Oslo | Norwegian
        Japan | Tokyo | Japanese
        Egypt | Cairo | Arabic
        Peru | Lima | Spanish
        Greece | Athens | Greek
        Poland | Warsaw | Polish
        Austria | Vienna | German
        Vietnam | Hanoi | Vietnamese
        Hungary | Budapest | Hungarian
        Cuba | Havana | Spanish
        Sweden | Stockholm | Swedish
        Iceland | Reykjavik | Icelandic
        Italy | Rome | Italian
        Chile | Santiago | Spanish
        Estonia | Tallinn | Estonian
        Thailand | Bangkok | Thai
        Morocco | Rabat | Arabic
        Denmark | Copenhagen | Danish
    """,
    # animal, class, young, home, food
    "animal": """
        eagle | bird | eaglet | a nest on a cliff | small animals
        fox | mammal | cub | a den in the ground | mice and berries
        salmon | fish | fry | rivers and the sea | insects and shrimps
        frog | amphibian | tadpole | ponds | insects
        owl | bird | owlet | a hole in a tree | mice
        bear | mammal | cub | a cave in the forest | berries and fish
        snake | reptile | hatchling | warm dry places | small animals
        hen | bird | chick | a hen house | grain
        sheep | mammal | lamb | a meadow | grass
        horse | mammal | foal | a stable | hay and oats
        cow | mammal | calf | a barn | grass
        duck | bird | duckling | a nest by the water | water plants
        goat | mammal | kid | a rocky hill | leaves and grass
        trout | fish | fry | cold streams | insects
        lizard | reptile | hatchling | sunny walls | insects
        swan | bird | cygnet | lakes | water plants
        wolf | mammal | pup | a den in the forest | deer
        kangaroo | mammal | joey | open grassland | grass
        turtle | reptile | hatchling | the sea | sea grass
        toad | amphibian | tadpole | damp gardens | slugs
    """,
    # a word, its opposite, a synonym
    "adjective": """
        cold | hot | chilly
        quick | slow | fast
        happy | sad | cheerful
        brave | afraid | fearless
        quiet | loud | silent
        rich | poor | wealthy
        old | young | aged
        empty | full | vacant
        easy | difficult | simple
        clean | dirty | spotless
        early | late | premature
        strong | weak | powerful
        wide | narrow | broad
        polite | rude | courteous
        bright | dark | shining
        large | small | big
        correct | wrong | right
        tidy | messy | neat
        famous | unknown | well-known
        smooth | rough | even
    """,
    # singular, plural, French, Spanish, German
    "translated": """
        house | houses | maison | casa | Haus
        knife | knives | couteau | cuchillo | Messer
        child | children | enfant | nino | Kind
        city | cities | ville | ciudad | Stadt
        foot | feet | pied | pie | Fuss
        mouse | mice | souris | raton | Maus
        leaf | leaves | feuille | hoja | Blatt
        woman | women | femme | mujer | Frau
        book | books | livre | libro | Buch
        table | tables | table | mesa | Tisch
        tooth | teeth | dent | diente | Zahn
        wolf | wolves | loup | lobo | Wolf
        baby | babies | bebe | bebe | Baby
        church | churches | eglise | iglesia | Kirche
        shelf | shelves | rayon | estante | Regal
        goose | geese | oie | ganso | Gans
        story | stories | histoire | historia | Geschichte
        window | windows | fenetre | ventana | Fenster
    """,
    # British spelling, American spelling
    "spelling": """
        colour | color
        theatre | theater
        favourite | favorite
        grey | gray
        neighbour | neighbor
        centre | center
        traveller | traveler
        flavour | flavor
        harbour | harbor
        jewellery | jewelry
        catalogue | catalog
        honour | honor
    """,
    # a misspelled word, the right one
    "typo": """
        recieve | receive
        definately | definitely
        tommorow | tomorrow
        seperate | separate
        untill | until
        wich | which
        freind | friend
        beleive | believe
        adress | address
        neccessary | necessary
        wierd | weird
        begining | beginning
    """,
    # words that rhyme
    "rhyme": """
        moon | spoon
        light | night
        cake | lake
        house | mouse
        tree | bee
        rain | train
        star | car
        ring | spring
        boat | coat
        hill | mill
        snow | crow
        door | floor
        gold | cold
        sand | hand
        chair | bear
        rose | nose
    """,
    # rude or informal, polite or formal
    "tone": """
        Give me the key. | Could you please give me the key?
        Shut the door. | Would you mind closing the door?
        Be quiet. | Could you please be a little quieter?
        Send me the bill. | Would you kindly send me the bill?
        I want a refund. | I would like to ask for a refund.
        You are late. | I had expected you a little earlier.
        Move your car. | Would you be so kind as to move your car?
        That is wrong. | I am afraid that is not quite right.
        Call me back. | Could you please call me back?
        Wait here. | Would you please wait here for a moment?
        Tell me your name. | May I ask your name?
        Hurry up. | Could you please be a little faster?
        I need help. | May I ask for your help?
        Stop that noise. | Would you please keep the noise down?
        Leave me alone. | I would like some time to myself, please.
        Bring some water. | Could we have some water, please?
    """,
    # a wordy phrase, a short one
    "wordy": """
        due to the fact that | because
        at this point in time | now
        in the event that | if
        in spite of the fact that | although
        with regard to | about
        for the purpose of | for
        a large number of | many
        in the near future | soon
        on a daily basis | daily
        in close proximity to | near
        has the ability to | can
        at all times | always
    """,
    # an idiom, its meaning
    "idiom": """
        a piece of cake | something very easy
        under the weather | slightly ill
        to break the ice | to start a conversation with strangers
        once in a blue moon | very rarely
        to let the cat out of the bag | to tell a secret by mistake
        to hit the books | to study hard
        a storm in a teacup | much excitement about a small matter
        to cost an arm and a leg | to be very expensive
        to spill the beans | to tell a secret
        to be all ears | to listen closely
        to pull someone's leg | to make fun of someone in a friendly way
        to sit on the fence | not to take sides
        to burn the midnight oil | to work late into the night
        to have cold feet | to be too nervous to do something
        a wolf in sheep's clothing | a dangerous person who seems harmless
        to kill two birds with one stone | to reach two aims at once
    """,
    # what code does, Python code
    "code": """
        returns the sum of all even numbers in a list | def even_sum(numbers):\\n    return sum(n for n in numbers if n % 2 == 0)
        counts the vowels in a text | def count_vowels(text):\\n    return sum(c in "aeiou" for c in text.lower())
        reverses the order of the words in a sentence | def reverse_words(text):\\n    return " ".join(reversed(text.split()))
        finds the longest word in a list | def longest(words):\\n    return max(words, key=len)
        checks whether a word reads the same backwards | def is_palindrome(word):\\n    return word == word[::-1]
        removes duplicates while keeping the order | def unique(items):\\n    return list(dict.fromkeys(items))
        converts degrees Celsius to Fahrenheit | def to_fahrenheit(c):\\n    return c * 9 / 5 + 32
        gives the average of a list of numbers | def average(numbers):\\n    return sum(numbers) / len(numbers)
        tells whether a year is a leap year | def is_leap(y):\\n    return y % 4 == 0 and (y % 100 != 0 or y % 400 == 0)
        counts how often each letter occurs | def letters(text):\\n    return {c: text.count(c) for c in set(text)}
        keeps only the numbers above a limit | def above(numbers, limit):\\n    return [n for n in numbers if n > limit]
        turns minutes into hours and minutes | def hours(minutes):\\n    return divmod(minutes, 60)
        joins names with commas | def join_names(names):\\n    return ", ".join(names)
        returns the largest difference between two numbers of a list | def spread(numbers):\\n    return max(numbers) - min(numbers)
    """,
    # a trip and what to pack
    "trip": """
        a canoe trip | a dry bag | a sun hat | a paddle | a rope
        a week in a mountain hut | a sleeping bag | slippers | a head torch | thick socks
        a business trip to London | a suit | a charger | business cards | an umbrella
        a beach holiday with toddlers | sun cream | spare clothes | a small tent | toy buckets
        a night in a sleeping car | earplugs | a blanket | a toothbrush | snacks
        a cycling tour | a pump | a repair kit | a rain cape | a helmet
        a winter market | gloves | a scarf | small change | a cloth bag
        a music festival | a tent | earplugs | a water bottle | rubber boots
        a stay in hospital | pyjamas | a book | slippers | a phone charger
        a day in the desert | plenty of water | a scarf | sun cream | a compass
        a sailing course | non-slip shoes | a windproof jacket | gloves | sun glasses
        a school trip to a museum | a pencil | a sandwich | a bus ticket | a notebook
        a hike through wet moorland | waterproof boots | gaiters | a whistle | a flask
        a visit to a farm | old shoes | a hat | a camera | hand gel
        a weekend of skiing | goggles | gloves | thermal socks | lip balm
        a long bus ride | a neck pillow | water | a book | headphones
    """,
    # what is stored, two of its columns
    "records": """
        customers | name | city | age
        books | title | author | year
        employees | name | department | salary
        orders | number | date | amount
        films | title | director | length
        plants | name | height | price
        hotels | name | town | rooms
        students | name | subject | grade
        recipes | title | country | minutes
        trains | number | destination | delay
        parcels | number | sender | weight
        bicycles | model | colour | price
    """,
    # tasks by season: a sentence's cue
    "season": """
        The snow reaches up to the window sills | winter
        The lake is frozen and children skate on it | winter
        The first crocuses push through the soil | spring
        Lambs are born and the cherry trees blossom | spring
        Everyone lies on the beach in the heat | summer
        The wheat is golden and the swimming pools are full | summer
        Leaves turn red and fall from the trees | autumn
        Farmers harvest pumpkins in the fog | autumn
    """,
}

TABLES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    **{name: _phrases(text) for name, text in _PHRASES.items()},
    **{name: _rows(text) for name, text in _ROWS.items()},
}
"""Rows by table."""
