//! Talk as it is distributed: few words often, many words seldom, in letters and in Chinese characters. The words mean
//! nothing; how often each comes, and how often each pair of characters does, follows Zipf's law. What must not live here:
//! sending it.

use crate::dice::Dice;

/// Words of a language in the order of how often they come.
pub struct Vocabulary {
    words: Vec<String>,
    /// Sums of the weights 1, 1/2, 1/3, ... in millionths.
    sums: Vec<u64>,
    blank: &'static str,
    longest: u64,
}

impl Vocabulary {
    /// Words of two to four syllables, the short ones first, with blanks between them.
    pub fn letters(dice: &mut Dice) -> Vocabulary {
        const HEADS: [&str; 20] = [
            "b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "th", "st", "w", "sh", "ch",
            "tr", "pl",
        ];
        const TAILS: [&str; 15] = [
            "a", "e", "i", "o", "u", "ea", "ou", "er", "in", "an", "on", "en", "ing", "ed", "y",
        ];
        let word = |rank: usize, dice: &mut Dice| {
            let syllables = if rank < 100 { 1 } else { 2 + dice.below(3) };
            let mut word = String::new();
            for _ in 0..syllables {
                word.push_str(HEADS[dice.below(HEADS.len() as u64) as usize]);
                word.push_str(TAILS[dice.below(TAILS.len() as u64) as usize]);
            }
            word
        };
        Vocabulary::new(20_000, " ", 30, dice, word)
    }

    /// Words of one to four characters without blanks, of 3,500 characters that come as unevenly as words do.
    pub fn characters(dice: &mut Dice) -> Vocabulary {
        let sums = sums(3_500);
        let word = |rank: usize, dice: &mut Dice| {
            let length = if rank < 200 {
                1
            } else {
                [2, 2, 2, 3, 4][dice.below(5) as usize]
            };
            let one = |dice: &mut Dice| {
                let at = pick(&sums, dice) as u32;
                // A step without a common divisor: neighbours in frequency are no neighbours in code.
                char::from_u32(0x4e00 + at * 2_713 % 20_900).expect("a Chinese character")
            };
            (0..length).map(|_| one(dice)).collect()
        };
        Vocabulary::new(30_000, "", 25, dice, word)
    }

    fn new(
        count: usize,
        blank: &'static str,
        longest: u64,
        dice: &mut Dice,
        word: impl Fn(usize, &mut Dice) -> String,
    ) -> Vocabulary {
        Vocabulary {
            words: (0..count).map(|rank| word(rank, dice)).collect(),
            sums: sums(count),
            blank,
            longest,
        }
    }

    /// Something that somebody says.
    pub fn line(&self, dice: &mut Dice) -> String {
        let count = 3 + dice.below(self.longest - 2);
        let words: Vec<&str> = (0..count)
            .map(|_| self.words[pick(&self.sums, dice)].as_str())
            .collect();
        words.join(self.blank)
    }

    /// A word about as frequent as this rank says, of so many characters.
    pub fn about(&self, rank: usize, characters: std::ops::Range<usize>, dice: &mut Dice) -> &str {
        loop {
            let word = &self.words[rank / 2 + dice.below(rank as u64) as usize];
            if characters.contains(&word.chars().count()) {
                return word;
            }
        }
    }
}

fn sums(count: usize) -> Vec<u64> {
    let weights = (1..=count as u64).map(|rank| 1_000_000 / rank + 1);
    weights
        .scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

fn pick(sums: &[u64], dice: &mut Dice) -> usize {
    let all = sums.last().copied().unwrap_or(1);
    let at = dice.below(all);
    sums.partition_point(|sum| *sum <= at).min(sums.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_much_of_all_talk() {
        let mut dice = Dice::new(1);
        let vocabulary = Vocabulary::letters(&mut dice);
        let often = &vocabulary.words[0];
        let lines = (0..2_000).filter(|_| vocabulary.line(&mut dice).split(' ').any(|word| word == often));
        let count = lines.count();
        assert!(
            (1_200..1_900).contains(&count),
            "{count} of 2,000 have the first word"
        );
        let chinese = Vocabulary::characters(&mut dice);
        assert_eq!(chinese.about(5_000, 2..3, &mut dice).chars().count(), 2);
    }
}
