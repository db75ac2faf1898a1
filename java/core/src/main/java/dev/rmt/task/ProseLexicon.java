package dev.rmt.task;

import java.util.Set;

/** The words of {@link ProseGenerator}, by what they do in a sentence. */
final class ProseLexicon {
    private ProseLexicon() {}

    /** The names and places of the tasks are among them, as in any book; they never meet in one sentence. */
    static final String[] WOMEN = words("Alice Clara Emily Grace Helen Lucy Martha Ruth Eleanor Agnes Mary Sandra");

    static final String[] MEN = words("Arthur Edward George Henry Peter Samuel Thomas Walter Oliver Hugh John Daniel");

    static final String[] ROLES = words(
            "baker captain carpenter clerk doctor farmer fisherman gardener innkeeper judge lawyer"
                    + " librarian mayor merchant miller musician nurse painter pilot postman priest sailor schoolmaster shepherd"
                    + " shoemaker soldier stranger student tailor teacher traveller watchmaker widow neighbour grandmother uncle");

    static final String[] PLACES =
            words("abbey attic bakery barn bridge castle cathedral cellar chapel church cottage courtyard"
                    + " farm ferry forest fountain harbour hotel inn island library lighthouse market meadow mill museum orchard palace"
                    + " park pier prison railway river school shop stable station street theatre tower valley village well workshop"
                    + " yard bathroom hallway garden office bedroom kitchen");

    /** Where one is "at" rather than "in". */
    static final Set<String> OPEN_PLACES =
            Set.of(words("bridge farm ferry fountain harbour inn island lighthouse market mill"
                    + " pier railway river station street well"));

    static final String[] OBJECTS =
            words("basket bell blanket book bottle box bucket candle carpet chair clock coat coin"
                    + " compass cup drum fiddle flag hammer hat jar key knife ladder lamp lantern letter map medal mirror needle"
                    + " newspaper notebook painting parcel pen picture pipe plate purse ring rope saddle scarf shovel spoon suitcase"
                    + " sword table telescope ticket trumpet umbrella violin watch wheel whistle window");

    static final String[] SURFACES =
            words("bench counter desk doorstep floor gate hearth shelf staircase stone table wall");

    static final String[] PERSON_ADJECTIVES =
            words("angry anxious bold calm careful cheerful clever curious gentle grateful"
                    + " happy honest hungry impatient kind lonely nervous old patient polite proud quiet restless sad shy silent"
                    + " stubborn surprised thoughtful tired weary wise young");

    static final String[] THING_ADJECTIVES =
            words("ancient beautiful broken copper crooked cheap dusty empty expensive faded"
                    + " fine foreign golden green heavy huge iron large light little narrow new old painted plain polished pretty red"
                    + " round rusty silver small strange torn white wooden yellow useless valuable");

    static final String[] PLACE_ADJECTIVES = words(
            "bright busy cold crowded damp dark deserted dusty empty famous gloomy grey"
                    + " large lonely low narrow noisy old peaceful pleasant quiet shabby silent small strange sunny warm wide");

    /** Past tense and past participle in one. */
    static final String[] HANDLED =
            words("borrowed bought brought carried cleaned counted described dropped examined fetched"
                    + " finished fixed found guarded held kept lifted lost mended noticed opened packed painted placed polished promised"
                    + " repaired returned sent sold studied touched washed watched wrapped");

    static final String[] MOTIONS =
            words("walked hurried ran rode went wandered returned travelled drove came marched crept"
                    + " journeyed strolled moved");

    /** Past tense and past participle in one, too. */
    static final String[] DID =
            words("laughed waited hesitated smiled listened trembled whispered nodded sighed rested worked"
                    + " dreamed shivered danced coughed shouted argued knelt yawned stumbled apologised wandered");

    static final String[] ANIMALS_DID =
            words("slept waited listened trembled rested shivered hid sat stood remained yawned ate");

    static final String[] OWNERS =
            phrases("nobody|everybody|the church|the whole town|a rich cousin|another family|the king|"
                    + "whoever wanted it|an old friend|the poor|the crew|a man without a name|the children");

    static final String[] UNTIL = phrases(
            "sunset|sunrise|midnight|the bells rang|the fire went out|the rain stopped|supper was"
                    + " ready|it was too dark to see|the others came home|there was no light left|the clock struck nine");

    static final String[] SAID = words("said answered replied whispered shouted cried explained repeated muttered");

    static final String[] ADVERBS =
            words("slowly quickly quietly carefully gladly secretly suddenly patiently sadly proudly"
                    + " softly eagerly alone together again");

    static final String[] ABSTRACTS =
            words("courage danger fortune friendship happiness honesty hope hunger kindness luck"
                    + " memory music patience poverty pride silence sleep sorrow time trouble truth wisdom work");

    static final String[] NATURE = words("rain snow fog mist wind hail moonlight sunlight dust smoke frost darkness");

    static final String[] ANIMALS =
            words("cat crow dog donkey fox goat goose hen horse mouse owl ox pigeon rabbit sheep swan");

    static final String[] NUMBERS = words("two three four five six seven eight nine ten twelve twenty forty");

    static final String[] DIRECTIONS = words("north south east west");

    static final String[] TIMES =
            phrases("in the morning|in the afternoon|in the evening|at noon|at midnight|before dawn|after"
                    + " supper|after breakfast|on Sunday|on market day|in early spring|at the end of summer|late in autumn|one winter"
                    + " night|a week later|the next day|that same night|many years ago|towards evening|an hour later");

    static final String[] SINCE =
            phrases("the beginning of winter|the last harvest|Easter|the day of the fire|the great storm|"
                    + "Monday|the end of the war|the wedding|last summer|the night of the flood");

    static final String[] HABITS =
            phrases("every morning|every evening|once a week|on Sundays|all through the winter|whenever"
                    + " it rained|from time to time|as often as possible|year after year|when nobody was looking");

    static final String[] WISHES =
            phrases("leave the town|learn to read|see the ocean|become a doctor|cross the mountains|buy a"
                    + " small farm|write a long letter|find the lost money|sleep for a week|hear the old song once more|marry in the"
                    + " spring|build a boat|forget the whole story|tell the truth|start again somewhere else");

    static final String[] NEWS =
            phrases("the war was over|the bridge had fallen|the price of bread had doubled|the ship would not"
                    + " sail|the thieves had been caught|the road was closed|the king was dead|a letter had arrived from abroad|the"
                    + " harvest had failed|there would be snow before night|nobody had won the prize|the train was late|the old house"
                    + " had been sold|the doctor could do nothing more|everything would be different now");

    static final String[] OPINIONS = phrases(
            "I have never been so tired|it is too late to turn back|we must not lose hope|you"
                    + " ought to be ashamed|there is nothing to fear|I knew your father well|this will cost us dearly|nobody believes"
                    + " such stories|we shall see about that|I would rather stay at home|my memory is not what it was|that is no"
                    + " business of mine|the roads are bad this year|I should have asked sooner|you have your mother's eyes");

    static final String[] QUESTIONS = phrases(
            "What do you want|Who told you that|How long must we wait|Why are you so late|Have"
                    + " you eaten|When does the boat leave|Do you remember the old days|What is the matter|Shall we go|Is it far");

    private static String[] words(String list) {
        return list.split(" ");
    }

    private static String[] phrases(String list) {
        return list.split("\\|");
    }
}
