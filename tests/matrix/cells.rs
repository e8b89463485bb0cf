//! The cells of the tables, shared out among the casts, and the report of those that are not as the tables say.
//! What must not live here: how a request is made (`ask`), how events are heard (`hearing`) or read (`reading`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;
use std::time::Instant;

use futures_util::future::join_all;

use crate::ask::{self, Said, json_of};
use crate::cast::{Cast, Stage};
use crate::harness::Server;
use crate::scene::Scene;
use crate::table::{PERSONAS, Row, load};
use crate::{hearing, reading};

/// Letters of an answer that is not as the table says.
const ANSWER_SHOWN: usize = 400;

/// How a row is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A command, as the fallback takes it.
    Http,
    /// A command on a live socket.
    Socket,
    /// A line of HTTP.
    Line,
    /// An event, listened to on a live socket and asked for by a poll.
    Hearing,
    /// What of a conversation comes back.
    Reading,
}

/// One persona before one row at one door.
pub struct Cell {
    pub row: Rc<Row>,
    pub persona: &'static str,
    pub word: String,
    pub door: Door,
}

/// The cells of a table at some doors, without those that do not apply.
pub fn cells(rows: Vec<Row>, doors: &[Door]) -> VecDeque<Cell> {
    let mut cells = VecDeque::new();
    for row in rows {
        let row = Rc::new(row);
        for &door in doors {
            let is_shut =
                (door == Door::Http && row.has("@live")) || (door == Door::Socket && row.has("@http"));
            let asked = PERSONAS
                .iter()
                .zip(&row.words)
                .filter(|(_, word)| !is_shut && *word != "-");
            cells.extend(asked.map(|(persona, word)| Cell {
                row: Rc::clone(&row),
                persona,
                word: word.clone(),
                door,
            }));
        }
    }
    cells
}

/// Tries a whole table, and fails with every cell that is not as it says.
pub async fn try_table(name: &str, doors: &[Door], casts: usize) {
    let begun = Instant::now();
    let rows = load(name).unwrap_or_else(|complaints| panic!("\n{}", complaints.join("\n")));
    let (kinds, cells) = (rows.len(), cells(rows, doors));
    let count = cells.len();
    // Where nobody tells whether the board was off, a plug test is over as soon as it is begun.
    let mut server = Server::with(&[("KINGLET_BOARD_ROOT", "/nowhere")]).await;
    let stage = Stage::new(&mut server).await;
    let casts = Cast::several(&stage, casts).await;
    let mut failures = run(casts, cells).await;
    failures.sort();
    let size = format!(
        "matrix: {name}: {kinds} rows, {count} cells, {} not as expected, {:.1} s\n",
        failures.len(),
        begun.elapsed().as_secs_f64()
    );
    // Past the capture of a test that passes: the size belongs to what is shown.
    std::io::stderr()
        .write_all(size.as_bytes())
        .expect("standard error is open");
    if !failures.is_empty() {
        // The list is the report; the server's frames would only hide it.
        server.kill9();
        panic!("\n{}\n{size}", failures.join("\n"));
    }
}

/// Shares cells out, one after the other for each cast.
async fn run(casts: Vec<Cast>, cells: VecDeque<Cell>) -> Vec<String> {
    let cells = RefCell::new(cells);
    let running = casts.into_iter().map(async |mut cast| {
        let mut failures = Vec::new();
        let next = || cells.borrow_mut().pop_front();
        while let Some(cell) = next() {
            failures.extend(judge(&mut cast, &cell).await);
            cast.listen().await;
        }
        failures
    });
    join_all(running).await.into_iter().flatten().collect()
}

/// Nothing, if the cell is as the table says.
async fn judge(cast: &mut Cast, cell: &Cell) -> Option<String> {
    let Cell {
        row,
        persona,
        word,
        door,
    } = cell;
    let mut answer = String::new();
    let got = match door {
        Door::Hearing => hearing::hear(cast, row, persona).await,
        Door::Reading => reading::read(cast, row, persona).await,
        _ => request(cast, row, persona, *door).await.map(|said| {
            answer = said.text.chars().take(ANSWER_SHOWN).collect();
            said.word
        }),
    };
    let got = match got {
        Ok(got) if word.split('/').any(|word| word == got) => return None,
        Ok(got) => got,
        Err(why) => why,
    };
    Some(format!(
        "{}: `{}`, {persona} at {door:?}: expected `{word}`, got `{got}` {answer}",
        row.place, row.name
    ))
}

async fn request(cast: &mut Cast, row: &Row, persona: &str, door: Door) -> Result<Said, String> {
    let mut scene = Scene::new(cast, row, persona).await;
    before(cast, &mut scene, row).await?;
    let filled = scene.fill(&row.request);
    let said = match door {
        Door::Socket => ask::by_socket(cast, persona, json_of(&filled)).await,
        Door::Line => ask::by_line(&scene.me, &filled).await,
        _ => ask::by_http(&scene.me, json_of(&filled)).await,
    };
    Ok(Said {
        word: seen(&scene, row, &said),
        text: said.text,
    })
}

/// `ok` is `sees` or `not` where the row says what to look for.
fn seen(scene: &Scene, row: &Row, said: &Said) -> String {
    match &row.shows {
        Some(shows) if said.word == "ok" => {
            let is_there = said.text.contains(&scene.fill(shows));
            if is_there { "sees" } else { "not" }.to_owned()
        }
        _ => said.word.clone(),
    }
}

/// The steps before the one that counts. Each must be granted. Who is kept out at the door needs none, unless the door is open.
pub async fn before(cast: &Cast, scene: &mut Scene, row: &Row) -> Result<(), String> {
    if !scene.is_let_in && !row.has("@open") {
        return Ok(());
    }
    for (who, step) in &row.before {
        let (step, kept) = kept_as(step);
        let said = step_by(cast, scene, who, step).await;
        if said.word != "ok" {
            return Err(format!("{} for the step before, {step}", said.word));
        }
        if let Some(name) = kept {
            scene.keep(name, &json_of(&said.text));
        }
    }
    Ok(())
}

/// A step, and the name under which its answer is kept: `... as name`.
fn kept_as(step: &str) -> (&str, Option<&str>) {
    match step.rsplit_once(" as ") {
        Some((step, name)) if name.chars().all(|c| c.is_ascii_lowercase()) => (step, Some(name)),
        _ => (step, None),
    }
}

/// One step by anybody: a command, or a line of HTTP.
pub async fn step_by(cast: &Cast, scene: &Scene, who: &str, step: &str) -> Said {
    let who = if who == "me" { &scene.me } else { cast.person(who) };
    let filled = scene.fill(step);
    if filled.starts_with('{') {
        ask::by_http(who, json_of(&filled)).await
    } else {
        ask::by_line(who, &filled).await
    }
}
