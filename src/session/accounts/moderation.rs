//! Moderation of the server: reports of messages, and warnings, mutes and bans. What must not live here: who may; the
//! rules are in `core::permit`, asked where it is written or read.
//!
//! Invariant: whoever decides on a report sees of its conversation what `core::permit::moderation::shown` lets through.

use super::{Accounts, Administrator, Caller, Outcome, check_client_id, rows};
use crate::core::permit::moderation;
use crate::limits;
use crate::proto::account::PageOf;
use crate::proto::moderation::{
    MeasureInfo, MeasureKind, MeasureList, NewReport, ReportInfo, ReportList, ReportState, ReportView,
    Reported, ResolveReport, Restrain, Warn,
};
use crate::proto::{Code, Event, Refusal, Seq, UserId, What};
use crate::store::Span;
use crate::store::sqlite::accounts::{NewMeasure, NewReportRow, ReportFacts};

impl Accounts {
    /// Reports a message that the caller sees.
    ///
    /// # Errors
    /// `not_found`, `erased`, `bad_request` for one's own or a reason too long, `no_change` while one's own earlier report
    /// of it is open, `limit_reached`, `id_reused`.
    pub async fn report(&self, caller: &Caller, new: NewReport) -> Outcome<Reported> {
        check_client_id(new.client_id)?;
        reason(&new.reason, 0)?;
        let row = NewReportRow {
            by: caller.user,
            device: caller.device_no,
            client: new.client_id,
            conversation: new.conversation,
            seq: new.seq,
            reason: new.reason,
        };
        let report = self.store.report(row).await?;
        Ok(Reported { report })
    }

    /// Reports about those whom the caller may administer.
    ///
    /// # Errors
    /// `forbidden` for members; `bad_request` for a limit out of range.
    pub async fn reports(&self, caller: &Caller, state: ReportState, page: &PageOf) -> Outcome<ReportList> {
        let limit = rows(page.limit, limits::LIST_ROWS)?;
        let from = match state {
            ReportState::Open => page.after,
            ReportState::Resolved => page.before,
        };
        let by = Administrator::Caller(caller).by();
        self.store.reports(by, state, from, limit).await
    }

    /// A report with the message that it is about and the nearest few others, as the log has them now.
    ///
    /// # Errors
    /// `forbidden` for members; `not_found` as well for one about somebody whom the caller may not administer.
    pub async fn report_view(&self, caller: &Caller, no: u64) -> Outcome<ReportView> {
        let by = Administrator::Caller(caller).by();
        let facts = self.store.report_facts(by, no).await?;
        let events = self.around(&facts).await?;
        let targets = events.iter().map(|event| event.seq).collect();
        let seen = vec![(facts.shown_from, Seq::MAX)];
        let mut edits = self
            .store
            .annotations(facts.info.conversation, targets, 0, seen)
            .await?;
        edits.retain(|event| matches!(event.what, What::Edited { .. }));
        // Whoever lost their office while the log was read sees nothing of it.
        let report = self.store.report_facts(by, no).await?.info;
        Ok(ReportView {
            report,
            events,
            edits,
        })
    }

    async fn around(&self, facts: &ReportFacts) -> Outcome<Vec<Event>> {
        let (conversation, seq, most) = (facts.info.conversation, facts.info.seq, limits::PAGE_EVENTS);
        let page = async |span: Span, range: (Seq, Seq), limit: usize| {
            let page = self.store.page(conversation, span, vec![range], limit).await?;
            let events = page.events.into_iter().map(|(_, event)| event);
            Ok::<Vec<Event>, Refusal>(events.collect())
        };
        let before = page(Span::Before(seq), (facts.shown_from, seq.saturating_sub(1)), most).await?;
        let reported = page(Span::Before(seq.saturating_add(1)), (seq, seq), 1)
            .await?
            .pop();
        let after = page(Span::After(seq), (seq.saturating_add(1), Seq::MAX), most).await?;
        Ok(moderation::shown(before, reported, after))
    }

    /// Says what was made of a report.
    ///
    /// # Errors
    /// As for reading it; `no_change` where it was resolved in another way before, `bad_request` for a note too long.
    pub async fn resolve_report(&self, caller: &Caller, no: u64, ask: ResolveReport) -> Outcome<ReportInfo> {
        reason(&ask.note, 0)?;
        let by = Administrator::Caller(caller).by();
        self.store.resolve_report(by, no, ask.note).await
    }

    /// Warns somebody.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `bad_request`, `id_reused`.
    pub async fn warn(&self, by: Administrator<'_>, user: UserId, ask: Warn) -> Outcome<MeasureInfo> {
        let ask = Restrain {
            client_id: ask.client_id,
            reason: ask.reason,
            seconds: None,
        };
        self.restrain(by, user, MeasureKind::Warning, ask).await
    }

    /// Mutes somebody on the whole server, or bans them from it. A newer mute or ban replaces the older one.
    ///
    /// # Errors
    /// `forbidden`, `not_found`, `last_owner`, `limit_reached`, `bad_request`, `id_reused`.
    pub async fn restrain(
        &self,
        by: Administrator<'_>,
        user: UserId,
        kind: MeasureKind,
        ask: Restrain,
    ) -> Outcome<MeasureInfo> {
        check_client_id(ask.client_id)?;
        reason(&ask.reason, 1)?;
        if ask
            .seconds
            .is_some_and(|seconds| !(1..=limits::MEASURE_SECONDS).contains(&seconds))
        {
            let message = "`seconds` is 1 to ten years; leave it out for ever.";
            return Err(Refusal::because(Code::BadRequest, message));
        }
        let new = NewMeasure {
            client: ask.client_id,
            kind,
            reason: ask.reason,
            seconds: ask.seconds,
        };
        self.store.restrain(by.by(), user, new).await
    }

    /// Ends a mute or a ban before its time.
    ///
    /// # Errors
    /// `forbidden`, `not_found`.
    pub async fn lift(&self, by: Administrator<'_>, user: UserId, kind: MeasureKind) -> Outcome<()> {
        self.store.lift(by.by(), user, kind).await
    }

    /// What was done about one user, or what holds now.
    ///
    /// # Errors
    /// `forbidden` for members; `bad_request` for a limit out of range.
    pub async fn measures(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        page: &PageOf,
    ) -> Outcome<MeasureList> {
        let limit = rows(page.limit, limits::LIST_ROWS)?;
        let by = Administrator::Caller(caller).by();
        self.store.measures(by, user, page.before, limit).await
    }

    /// Lets mutes and bans run that waited for a right clock, and puts away those that ran out.
    pub async fn tend(&self) -> Outcome<()> {
        self.store.tend_measures().await
    }
}

/// Plain text of a few lines.
fn reason(text: &str, least: usize) -> Outcome<()> {
    let fits = (least..=limits::REASON_BYTES).contains(&text.len())
        && !text.chars().any(|c| c.is_control() && c != '\n')
        && (least == 0 || !text.trim().is_empty());
    if fits {
        return Ok(());
    }
    let message = format!(
        "A reason or a note has {least} to {} bytes of plain text.",
        limits::REASON_BYTES
    );
    Err(Refusal::because(Code::BadRequest, message))
}
