//! Requests that are sent at once, and answered in their order: one round trip.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::statements::SqlStatement;

/// A value for a statement.
#[derive(Clone, Debug)]
pub(super) enum Param {
    Bytes(Vec<u8>),
    Many(Vec<Vec<u8>>),
    Number(i64),
    Numbers(Vec<i64>),
}

impl Param {
    fn as_sql(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Many(many) => many,
            Self::Number(number) => number,
            Self::Numbers(numbers) => numbers,
        }
    }
}

impl From<Vec<u8>> for Param {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<&[u8]> for Param {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_vec())
    }
}

impl From<Vec<Vec<u8>>> for Param {
    fn from(many: Vec<Vec<u8>>) -> Self {
        Self::Many(many)
    }
}

/// A number of seconds, or of rows. What is too large for the database is for ever there too.
impl From<u64> for Param {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// What is sent to the server.
pub(super) enum Request<'s> {
    /// Text without parameters and without rows, such as BEGIN.
    Plain(String),
    /// A statement with its parameters.
    Statement(&'s SqlStatement, Vec<Param>),
}

type PendingRows<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, Error>> + Send + 'a>>;

/// Sends a request when it is polled first.
fn answer<'a>(
    client: &'a Client,
    request: &'a Request<'_>,
    prepared: Option<&'a Statement>,
) -> PendingRows<'a> {
    match (request, prepared) {
        (Request::Plain(sql), _) => {
            Box::pin(async move { client.batch_execute(sql).await.map(|()| Vec::new()) })
        }
        (Request::Statement(_, params), Some(statement)) => Box::pin(async move {
            let params: Vec<_> = params.iter().map(Param::as_sql).collect();
            client.query(statement, &params).await
        }),
        (Request::Statement(SqlStatement { sql, types }, params), None) => Box::pin(async move {
            let params: Vec<(&(dyn ToSql + Sync), Type)> =
                params.iter().map(Param::as_sql).zip(types.iter().cloned()).collect();
            client.query_typed(sql, &params).await
        }),
    }
}

/// Polls answers in their order, so that requests are sent in it.
pub(super) struct InOrder<'a> {
    answers: Vec<Option<PendingRows<'a>>>,
    rows: Vec<Vec<Row>>,
    /// The first error, by the order of the requests.
    failed: Option<(usize, Error)>,
}

impl<'a> InOrder<'a> {
    /// `prepared` has the statement of each request that is prepared.
    pub(super) fn new(
        client: &'a Client,
        requests: &'a [Request<'_>],
        prepared: &'a [Option<Statement>],
    ) -> Self {
        let asked = requests.iter().zip(prepared);
        let answers = asked.map(|(request, prepared)| Some(answer(client, request, prepared.as_ref())));
        Self { answers: answers.collect(), rows: requests.iter().map(|_| Vec::new()).collect(), failed: None }
    }

    /// Is ready when the first one is answered.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let all = self.poll_all(cx);
        if self.answers.first().is_some_and(Option::is_none) { Poll::Ready(()) } else { all }
    }

    pub(super) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for (number, slot) in self.answers.iter_mut().enumerate() {
            let Some(answer) = slot else { continue };
            let Poll::Ready(done) = answer.as_mut().poll(cx) else { continue };
            *slot = None;
            match done {
                Ok(rows) => self.rows[number] = rows,
                Err(error) if self.failed.as_ref().is_none_or(|(first, _)| number < *first) => {
                    self.failed = Some((number, error));
                }
                Err(_) => {}
            }
        }
        if self.answers.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns the rows of each, or the first error, when all are answered.
    pub(super) fn into_rows(self) -> Result<Vec<Vec<Row>>, Error> {
        self.failed.map_or(Ok(self.rows), |(_, error)| Err(error))
    }
}
