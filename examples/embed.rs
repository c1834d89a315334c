//! edgehost inside an axum server: one native route beside the handlers.
//!
//! Run it: `cargo run --release --example embed -- examples/tour`, then
//! `curl localhost:3000/native` and `curl localhost:3000/hello`.

use axum::Router;
use axum::routing::get;
use edgehost::EdgeHost;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let project = arguments.next().unwrap_or_else(|| "examples/tour".into());
    let port = arguments.next().unwrap_or_else(|| "3000".into());

    let host = EdgeHost::builder(project).build().await?;
    let app = Router::new().route("/native", get(|| async { "from axum\n" })).fallback_service(host);

    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    #[allow(clippy::print_stdout, reason = "a program for people")]
    {
        println!("Listening on http://{}", listener.local_addr()?);
    }
    axum::serve(listener, app).await?;
    Ok(())
}
