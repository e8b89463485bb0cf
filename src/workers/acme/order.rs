//! One order: the account, the proof that each name leads here, the certificate. What must not live here: when, and where
//! certificates are kept.

use std::path::Path;
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{ACCOUNT_FILE, Acme, Challenge, hook};
use crate::limits;

/// What an authority calls an account that it does not know (RFC 8555, section 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";
/// How it is asked whether it is ready: at first soon, then less and less often.
const ASKING: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.6)
    .timeout(limits::ACME_ASKING_TIME);

/// The account as it is kept: one for each authority.
#[derive(Deserialize, Serialize)]
struct Kept<C> {
    directory: String,
    credentials: C,
}

/// A record that was made and must be taken away again.
struct Record {
    name: String,
    value: String,
}

/// Orders one certificate, and has it kept and served.
pub(super) async fn order(acme: &Acme) -> Result<(), String> {
    let records = Mutex::new(Vec::new());
    let proving = async {
        let mut order = begin(acme).await?;
        prove(acme, &mut order, &records).await?;
        Ok::<_, String>(order)
    };
    let (hook, time) = match &acme.settings.challenge {
        Challenge::TlsAlpn => (None, limits::ACME_TIME),
        // Each record may take all of a hook's time.
        Challenge::Dns { hook } => (
            Some(hook.as_path()),
            limits::ACME_TIME + limits::ACME_HOOK_TIME * acme.settings.names.len() as u32,
        ),
    };
    let proven = and_tidy(time, hook, &records, proving).await;
    acme.place.withdraw();
    in_time(limits::ACME_TIME, finish(acme, proven?)).await
}

async fn in_time<T>(time: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let done = tokio::time::timeout(time, work).await;
    done.unwrap_or_else(|_| Err("it took too long".to_owned()))
}

/// Takes away the records that `work` made, however it ended; a hook that it is dropped in has ended before.
async fn and_tidy<T>(
    time: Duration,
    hook: Option<&Path>,
    records: &Mutex<Vec<Record>>,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let done = in_time(time, work).await;
    let made = std::mem::take(&mut *records.lock());
    if let Some(hook) = hook {
        for Record { name, value } in made {
            if let Err(error) = hook::call(hook, "remove", &name, &value).await {
                log::warn!("the record {name} may still be there: {error}");
            }
        }
    }
    done
}

/// Tells the authority which names it is about.
async fn begin(acme: &Acme) -> Result<Order, String> {
    let names = acme.settings.names.iter().cloned();
    let identifiers: Vec<Identifier> = names.map(Identifier::Dns).collect();
    let ordering = NewOrder::new(&identifiers);
    match account(acme, true).await?.new_order(&ordering).await {
        // It was forgotten there, as a test authority does at each start; then nobody loses anything by a new one.
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            let anew = account(acme, false).await?;
            anew.new_order(&ordering).await.map_err(said("the order"))
        }
        order => order.map_err(said("the order")),
    }
}

/// The certificate, once each name was proven.
async fn finish(acme: &Acme, mut order: Order) -> Result<(), String> {
    let key = order
        .finalize()
        .await
        .map_err(said("the request for the certificate"))?;
    let chain = order
        .poll_certificate(&ASKING)
        .await
        .map_err(said("the certificate"))?;
    let names = acme.settings.names.clone();
    acme.on_disk(move |place| place.install(&key, &chain, &names))
        .await
}

/// The account of the last time, or a new one.
async fn account(acme: &Acme, may_be_kept: bool) -> Result<Account, String> {
    let directory = &acme.settings.directory;
    let builder = || Account::builder_with_http(Box::new(acme.line.clone()));
    let kept = acme.on_disk(|place| place.kept(ACCOUNT_FILE)).await?;
    let kept = kept.filter(|_| may_be_kept);
    let kept = kept.and_then(|bytes| serde_json::from_slice::<Kept<AccountCredentials>>(&bytes).ok());
    if let Some(kept) = kept.filter(|kept| kept.directory == *directory) {
        let account = builder().from_credentials(kept.credentials).await;
        return account.map_err(said("the account"));
    }
    let contact: Vec<&str> = Some(acme.settings.contact.as_str())
        .filter(|contact| !contact.is_empty())
        .into_iter()
        .collect();
    let asked = NewAccount {
        contact: &contact,
        // The operator has said so in the settings; without that nothing of this runs.
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder().create(&asked, directory.clone(), None).await;
    let (account, credentials) = made.map_err(said("the account"))?;
    let kept = Kept {
        directory: directory.clone(),
        credentials: &credentials,
    };
    let text = serde_json::to_vec(&kept).expect("an account is text");
    acme.on_disk(move |place| place.keep(ACCOUNT_FILE, &text)).await?;
    Ok(account)
}

/// Shows the authority that each name leads here.
async fn prove(acme: &Acme, order: &mut Order, records: &Mutex<Vec<Record>>) -> Result<(), String> {
    let kind = match acme.settings.challenge {
        Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
        Challenge::Dns { .. } => ChallengeType::Dns01,
    };
    let mut open = order.authorizations();
    while let Some(authorization) = open.next().await {
        let mut authorization = authorization.map_err(said("the proof"))?;
        if authorization.status == AuthorizationStatus::Valid {
            // It was shown not long ago.
            continue;
        }
        let mut challenge = authorization
            .challenge(kind.clone())
            .ok_or("the authority does not offer this kind of challenge; try the other acme.challenge")?;
        let Identifier::Dns(name) = challenge.identifier().identifier.clone() else {
            return Err("the authority asks about something that is no name".to_owned());
        };
        let answer = challenge.key_authorization();
        match &acme.settings.challenge {
            Challenge::TlsAlpn => acme.place.answer(&name, answer.digest().as_ref())?,
            Challenge::Dns { hook } => {
                let record = Record {
                    name: format!("_acme-challenge.{name}"),
                    value: answer.dns_value(),
                };
                let (name, value) = (record.name.clone(), record.value.clone());
                // Also one that was made in part is taken away.
                records.lock().push(record);
                hook::call(hook, "add", &name, &value).await?;
            }
        }
        challenge.set_ready().await.map_err(said("the proof"))?;
    }
    match order.poll_ready(&ASKING).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => Ok(()),
        Ok(_) => Err(why(order).await),
        Err(Error::Api(problem)) => Err(format!("the authority could not check a name: {problem}")),
        Err(error) => Err(said("the proof")(error)),
    }
}

/// What the authority says of the names that it does not believe lead here.
async fn why(order: &mut Order) -> String {
    let mut open = order.authorizations();
    while let Some(Ok(mut authorization)) = open.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        let mut errors = state
            .challenges
            .iter()
            .filter_map(|challenge| challenge.error.as_ref());
        if let Some(error) = errors.next() {
            return format!("the authority could not check a name: {error}");
        }
    }
    "the authority could not check a name, and does not say why".to_owned()
}

fn said(of: &'static str) -> impl Fn(Error) -> String {
    move |error| format!("{of} failed: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_took_too_long_leaves_no_record() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        // It says what it is called for, and is never done with adding.
        let text = "#!/bin/sh\necho \"$@\" >>\"$0.log\"\n[ \"$1\" = remove ] || exec sleep 600\n";
        let hook = hook::installed(dir.path(), text);
        let records = Mutex::new(Vec::new());
        let proving = async {
            records.lock().push(Record {
                name: "_acme-challenge.example.org".to_owned(),
                value: "x".to_owned(),
            });
            hook::call(&hook, "add", "_acme-challenge.example.org", "x").await
        };
        let done = and_tidy(Duration::from_secs(1), Some(&hook), &records, proving).await;
        assert_eq!(done, Err("it took too long".to_owned()));
        let log = std::fs::read_to_string(hook.with_extension("log")).expect("it was called");
        assert_eq!(log.lines().last(), Some("remove _acme-challenge.example.org x"));
    }
}
