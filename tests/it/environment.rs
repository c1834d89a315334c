//! `.env` files and `process.env`: case T103.

use serde_json::json;

use super::harness::project;

#[tokio::test]
async fn t103_files_and_the_real_environment() {
    let app = project()
        .file(".env", "A=plain\nB=plain\nC=$A-${REAL}\nREAL=file\nexport X=1 # note\nQ='single $A'\nNEXT_PUBLIC_N=live")
        .file(".env.production", "B=production")
        .file("app/route.ts", "export const GET = () => Response.json([process.env.A, process.env.B, process.env.C, process.env.REAL, process.env.X, process.env['Q'], process.env.NEXT_PUBLIC_N, process.env.NODE_ENV, process.env.NOPE ?? null, process.env.VERCEL ?? null, process.env.NEXT_RUNTIME]);")
        .file("app/edge/route.ts", "export const runtime = 'edge'; export const GET = () => Response.json([process.env.A, process.env.NEXT_RUNTIME]);")
        .env("REAL", "outside")
        .start()
        .await;
    app.get("/").await.is_json(json!([
        "plain",
        "production",
        "plain-outside",
        "outside",
        "1",
        "single plain",
        "live",
        "production",
        null,
        null,
        "nodejs",
    ]));
    app.get("/edge").await.is_json(json!(["plain", "edge"]));
}

#[tokio::test]
async fn the_environment_of_the_host_is_not_seen_unless_given() {
    let app = project()
        .file("app/route.ts", "export const GET = () => Response.json(Object.keys(process.env).sort());")
        .start()
        .await;
    app.get("/").await.is_json(json!(["NEXT_RUNTIME", "NODE_ENV"]));
}
