//! An answer on its way from a thread of the store to who asked. The waiting is one code for all kinds of answers: with a channel
//! for each kind, channels were a hundredth of the program. What must not live here: what is asked, and by which thread it is answered.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Where the answer is put, for the thread that has it.
pub struct Answer<T> {
    place: Arc<Mutex<Option<T>>>,
    bell: oneshot::Sender<()>,
}

/// Where it is waited for.
pub struct Asked<T> {
    place: Arc<Mutex<Option<T>>>,
    bell: oneshot::Receiver<()>,
}

pub fn ask<T>() -> (Answer<T>, Asked<T>) {
    let place = Arc::new(Mutex::new(None));
    let (ring, bell) = oneshot::channel();
    let answer = Answer {
        place: Arc::clone(&place),
        bell: ring,
    };
    (answer, Asked { place, bell })
}

impl<T> Answer<T> {
    /// The asker may have hung up meanwhile.
    pub fn give(self, answer: T) {
        *self.place.lock() = Some(answer);
        let _ = self.bell.send(());
    }
}

impl<T> Asked<T> {
    /// Nothing, if who had to answer is gone.
    pub async fn given(mut self) -> Option<T> {
        poll_fn(|context| poll_bell(&mut self.bell, context)).await;
        self.place.lock().take()
    }
}

#[inline(never)] // it is the point of this file
fn poll_bell(bell: &mut oneshot::Receiver<()>, context: &mut Context<'_>) -> Poll<()> {
    Pin::new(bell).poll(context).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_comes_from_another_thread_or_is_known_not_to_come() {
        let (answer, asked) = ask();
        std::thread::spawn(move || answer.give(7));
        assert_eq!(asked.given().await, Some(7));
        let (answer, asked) = ask::<u32>();
        drop(answer);
        assert_eq!(asked.given().await, None);
        let (answer, asked) = ask();
        drop(asked);
        answer.give(7);
    }
}
