//! Random choices from a seed, so that a failed run can be repeated.

/// A random number generator. The same seed gives the same choices.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    // SplitMix64 by Sebastiano Vigna, public domain. Good enough for test choices.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Chooses a number from 0 to `end` - 1.
    ///
    /// # Panics
    /// When `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("numbers here are small");
        assert!(end > 0, "no number is below 0");
        usize::try_from(self.next() % end).expect("the result is below a usize")
    }

    /// Returns true with a probability of `often` percent.
    pub fn percent(&mut self, often: usize) -> bool {
        self.below(100) < often
    }

    /// Chooses one element.
    ///
    /// # Panics
    /// When `from` is empty.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Chooses up to `most` elements, in random order.
    pub fn sample<T>(&mut self, mut from: Vec<T>, most: usize) -> Vec<T> {
        let mut taken = Vec::new();
        while taken.len() < most && !from.is_empty() {
            let place = self.below(from.len());
            taken.push(from.swap_remove(place));
        }
        taken
    }
}
