//! A service behind addresses: `user.create` and `user.get` answer requests, and listeners hear of
//! `user.created`.
//!
//! `cargo run --example user_service`

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use busway::{BoxError, EventBus, Message, RequestError};

#[derive(Clone, Debug)]
struct User {
    id: u64,
    name: String,
}

#[derive(Debug, thiserror::Error)]
enum UserError {
    #[error("a user needs a name")]
    NoName,
    #[error("there is no user {0}")]
    Unknown(u64),
}

busway::address! {
    /// Makes a user of this name.
    CreateUser: "user.create", String => User;
    /// Finds a user.
    GetUser: "user.get", u64 => User;
}

const USER_CREATED: &str = "user.created";

#[derive(Default)]
struct Users {
    by_id: Mutex<HashMap<u64, User>>,
    last_id: AtomicU64,
}

impl Users {
    fn create(&self, name: &str) -> Result<User, UserError> {
        if name.trim().is_empty() {
            return Err(UserError::NoName);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let user = User { id, name: name.trim().into() };
        self.by_id.lock().expect("no holder panics").insert(id, user.clone());
        Ok(user)
    }

    fn get(&self, id: u64) -> Result<User, UserError> {
        let users = self.by_id.lock().expect("no holder panics");
        users.get(&id).cloned().ok_or(UserError::Unknown(id))
    }
}

/// Registers the service on a bus.
fn serve(bus: &EventBus) -> Result<(), BoxError> {
    let users = Arc::new(Users::default());
    // The bus holds its consumers, so a consumer holds the bus weakly.
    let (store, weak) = (users.clone(), bus.downgrade());
    bus.serve(CreateUser, move |name: Message<String>| {
        let (users, bus) = (store.clone(), weak.upgrade());
        async move {
            let user = users.create(&name)?;
            if let Some(bus) = bus {
                bus.publish(USER_CREATED, user.clone()).await?;
            }
            busway::ok(user)
        }
    })?;
    bus.serve(GetUser, move |id: Message<u64>| {
        let users = users.clone();
        async move { users.get(*id) }
    })?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let bus = busway::bus("users");
    serve(&bus)?;
    bus.subscribe(USER_CREATED, |user: Message<User>| async move {
        println!("welcome, {}! ({})", user.name, user.address());
        busway::ok(())
    });

    let ada = bus.call(CreateUser, "Ada".into()).await?;
    let found = bus.call(GetUser, ada.id).timeout(Duration::from_secs(1)).await?;
    println!("user {} is {}", found.id, found.name);

    for error in [
        bus.call(CreateUser, " ".into()).await.unwrap_err(),
        bus.call(GetUser, 99).retries(2, Duration::from_millis(10)).await.unwrap_err(),
        bus.request::<_, User>("user.delete", 1u64).await.unwrap_err(),
        bus.request::<_, User>("user.get", "one").await.unwrap_err(),
    ] {
        match &error {
            RequestError::Failed { .. } => println!("refused: {error}"),
            _ => println!("mistaken: {error}"),
        }
    }
    Ok(())
}
