//! One order: the account, the proof that each name leads here, the certificate. What must not live here: when, and where
//! certificates are kept.

use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
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
    let names = &acme.settings.names;
    let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
    let ordering = NewOrder::new(&identifiers);
    let account = account(acme, true).await?;
    let mut order = match account.new_order(&ordering).await {
        // It was forgotten there, as a test authority does at each start; then nobody loses anything by a new one.
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            let anew = self::account(acme, false).await?;
            anew.new_order(&ordering).await.map_err(said("the order"))?
        }
        order => order.map_err(said("the order"))?,
    };
    let mut records = Vec::new();
    let proven = prove(acme, &mut order, &mut records).await;
    acme.place.withdraw();
    if let Challenge::Dns { hook } = &acme.settings.challenge {
        for Record { name, value } in records {
            if let Err(error) = hook::call(hook, "remove", &name, &value).await {
                log::warn!("the record {name} may still be there: {error}");
            }
        }
    }
    proven?;
    let key = order
        .finalize()
        .await
        .map_err(said("the request for the certificate"))?;
    let chain = order
        .poll_certificate(&ASKING)
        .await
        .map_err(said("the certificate"))?;
    let names = names.clone();
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
async fn prove(acme: &Acme, order: &mut Order, records: &mut Vec<Record>) -> Result<(), String> {
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
                records.push(record);
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
