//! A client of a server that fails more often than not: retries around a function, retries of a
//! handler, and a semaphore that lets two calls through at a time. The example runs its own server, on
//! loopback: every second connection is cut off, every fifth gets no answer at all.
//!
//! `cargo run --example flaky_server`

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use busway::tokio::Tokio;
use busway::{BoxError, Event, EventBus, EventHandle, HandlerError, Retry, RetryError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn serve(listener: TcpListener) {
    let mut number = 0;
    while let Ok((stream, _)) = listener.accept().await {
        number += 1;
        tokio::spawn(async move {
            // It does not matter here whether the client is still there.
            let _ = answer(stream, number).await;
        });
    }
}

async fn answer(mut stream: TcpStream, number: usize) -> Result<(), Error> {
    match number {
        _ if number.is_multiple_of(5) => {
            // No answer, until the client goes away.
            stream.read_to_end(&mut Vec::new()).await?;
        }
        _ if number.is_multiple_of(2) => {}
        _ => stream.write_all(format!("answer {number}").as_bytes()).await?,
    }
    Ok(())
}

/// A client, and how many requests it makes at a time.
struct Client {
    server: SocketAddr,
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Client {
    fn new(server: SocketAddr) -> Self {
        Self { server, now: AtomicUsize::new(0), most: AtomicUsize::new(0) }
    }

    /// Makes one request, without retries.
    async fn fetch(&self) -> Result<String, Error> {
        let _counted = Counted::new(self);
        let mut stream = TcpStream::connect(self.server).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        match answer.is_empty() {
            true => Err(ErrorKind::UnexpectedEof.into()),
            false => Ok(answer),
        }
    }

    async fn on_fetch(self: Arc<Self>, _: EventHandle<Fetch>) -> Result<String, Error> {
        self.fetch().await
    }
}

/// Counts a request until it ends, or is dropped because it took too long.
struct Counted<'a>(&'a Client);

impl<'a> Counted<'a> {
    fn new(client: &'a Client) -> Self {
        let now = client.now.fetch_add(1, Ordering::SeqCst) + 1;
        client.most.fetch_max(now, Ordering::SeqCst);
        Self(client)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Event)]
#[event(output = String)]
struct Fetch;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = Arc::new(Client::new(listener.local_addr()?));
    tokio::spawn(serve(listener));

    let policy = Retry::new()
        .retries(9)
        .wait(Duration::from_millis(5))
        .backoff_factor(1.5)
        .max_wait(Duration::from_millis(40))
        .jitter(0.5)
        .timeout(Duration::from_millis(100))
        .semaphore_limit(2)
        .semaphore_name("the flaky server")
        .semaphore_timeout(None);

    // Around a function.
    println!("a function: {}", policy.run(|| client.fetch()).await?);

    // As an option of a handler. Twenty events on ten buses, two requests at a time.
    let is_network = |error: &HandlerError| error.downcast_ref::<Error>().is_some();
    let hub = busway::Hub::builder().runtime(Tokio::current()?).build();
    let buses: Vec<EventBus> = (0..10).map(|n| hub.bus(format!("client{n}")).build()).collect();
    let mut events = Vec::new();
    for bus in &buses {
        let handler = (client.clone(), Client::on_fetch);
        bus.handler(handler).retry(policy.clone().retry_on(is_network)).register();
        events.push(bus.dispatch(Fetch)?);
        events.push(bus.dispatch(Fetch)?);
    }
    for event in events {
        let event = event.await?;
        println!("a handler: {} after {} tries", event.result()?, event.results()[0].tries());
    }
    let most = client.most.load(Ordering::SeqCst);
    println!("at most {most} requests at a time");
    assert!(most <= 2, "the semaphore lets two through");

    // A server that is not there: the error says how often it was tried.
    let nobody = Client::new(TcpListener::bind("127.0.0.1:0").await?.local_addr()?);
    let error = policy.retries(2).run(|| nobody.fetch()).await.unwrap_err();
    println!("nobody there: {error}");
    assert!(matches!(error, RetryError::Failed { tries: 3, .. }));
    Ok(())
}
