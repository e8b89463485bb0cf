//! The 256 words a fingerprint is read out with: one word per byte, so the table's order is part of the words' meaning
//! and must never change. What must not live here: any code, or a word that is one letter away from another.

/// Three to six letters, plain English, no two closer than two letters apart, so that a slip of the ear is noticed.
pub(super) const WORDS: [&str; 256] = [
    "acorn", "actor", "alarm", "amber", "ankle", "apple", "apron", "arch", "atlas", "attic", "autumn",
    "avenue", "axis", "badge", "bagel", "bakery", "bamboo", "banjo", "barrel", "basket", "beacon", "beaver",
    "bell", "bench", "berry", "bird", "boat", "bonus", "book", "bottle", "branch", "brick", "bridge",
    "broom", "bubble", "button", "cabin", "cactus", "camel", "camera", "canal", "candle", "canoe", "carpet",
    "castle", "cedar", "cello", "chalk", "cherry", "chess", "circle", "clock", "cloud", "clover", "cobra",
    "coffee", "comet", "copper", "coral", "cotton", "crane", "crown", "cube", "cuckoo", "daisy", "dancer",
    "desert", "dinner", "dome", "dragon", "drum", "eagle", "earth", "easel", "echo", "elbow", "engine",
    "fabric", "falcon", "fern", "fiddle", "finger", "flag", "flame", "flute", "forest", "fossil", "fox",
    "frost", "fruit", "garden", "garlic", "globe", "grape", "guitar", "hammer", "hazel", "hill", "hockey",
    "honey", "horse", "hotel", "igloo", "insect", "iron", "island", "ivory", "jacket", "jazz", "jelly",
    "jewel", "juice", "jungle", "kayak", "kettle", "kitten", "kiwi", "koala", "ladder", "ladle", "lake",
    "laptop", "leaf", "lemon", "lily", "lion", "lotus", "lunch", "magnet", "mango", "maple", "marble",
    "mask", "meadow", "medal", "melon", "mint", "mole", "monkey", "moon", "mosaic", "motor", "mouse",
    "museum", "napkin", "nest", "nickel", "noodle", "oak", "oasis", "ocean", "olive", "onion", "opal",
    "orange", "orbit", "orchid", "organ", "otter", "owl", "palace", "panda", "paper", "parade", "parcel",
    "parrot", "peach", "pebble", "pencil", "pepper", "petal", "piano", "picnic", "pilot", "planet", "plaza",
    "plum", "poem", "polar", "pond", "poppy", "potato", "puzzle", "quartz", "queen", "quilt", "radio",
    "raft", "raisin", "raven", "ribbon", "river", "robin", "rocket", "rodeo", "ruby", "ruler", "saddle",
    "sail", "sandal", "school", "seal", "shadow", "shell", "shovel", "silver", "sketch", "sloth", "snow",
    "soap", "spider", "spoon", "squid", "stable", "stone", "sugar", "summer", "sunset", "swan", "syrup",
    "tablet", "tailor", "temple", "tennis", "ticket", "tiger", "toast", "tomato", "torch", "tower", "train",
    "tulip", "tunnel", "turtle", "uncle", "valley", "vase", "velvet", "vowel", "waffle", "wagon", "wallet",
    "walnut", "walrus", "water", "whale", "wheat", "window", "winter", "wizard", "wolf", "yacht", "yellow",
    "zebra", "zipper", "zone",
];
