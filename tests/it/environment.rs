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

/// A route that tells what time it takes it for.
const CLOCK: &str = "
    const summer = Date.UTC(2024, 6, 1), of = (o?: any) => new Intl.DateTimeFormat('en', o);
    const tell = () => [new Date(0).getTimezoneOffset(), new Date(summer).getTimezoneOffset(), new Date(0).getHours(), new Date(2024, 0, 1).toISOString(), of().resolvedOptions().timeZone];
    export const GET = () => Response.json(tell());
    export function PUT() {
      const date = new Date(summer);
      return Response.json({
        text: date.toString(), local: date.toLocaleString('en-GB'), day: date.toLocaleDateString('en-GB', { dateStyle: 'short' }), time: date.toLocaleTimeString('en-GB', { timeZone: 'UTC' }),
        called: Intl.DateTimeFormat('en', { timeStyle: 'short', timeZone: undefined }).format(date), parts: of({ hour: 'numeric', hourCycle: 'h23' }).format(date), other: of({ timeZone: 'America/New_York' }).resolvedOptions().timeZone,
        now: Temporal.Now.timeZoneId(), zoned: Temporal.Now.zonedDateTimeISO().timeZoneId, given: Temporal.Now.zonedDateTimeISO('UTC').timeZoneId, instant: Temporal.Instant.fromEpochMilliseconds(summer).toLocaleString('en-GB'),
        kinds: [of() instanceof Intl.DateTimeFormat, of().constructor === Intl.DateTimeFormat, Intl.DateTimeFormat.name, Intl.DateTimeFormat.length, Intl.DateTimeFormat.supportedLocalesOf('en').length, Date.prototype.toLocaleString.name, Date.prototype.toLocaleString.length, new (class X extends Intl.DateTimeFormat {})().constructor.name, (() => { try { of(null); } catch (e: any) { return e.name; } })()],
      });
    }";

#[tokio::test]
async fn tz_is_the_time_zone_of_its_app_alone() {
    let clock = || {
        project()
            .file("app/web/route.ts", CLOCK)
            .file("app/edge/route.ts", format!("export const runtime = 'edge';{CLOCK}"))
    };
    let tokyo = clock().file(".env", "TZ=Asia/Tokyo").start().await;
    let berlin = clock().env("TZ", ":Europe/Berlin").start().await;
    let none = clock().start().await;
    let of_host = none.get("/web").await.json();
    let japan = json!([-540, -540, 9, "2023-12-31T15:00:00.000Z", "Asia/Tokyo"]);
    let germany = json!([-60, -120, 1, "2023-12-31T23:00:00.000Z", "Europe/Berlin"]);
    for _ in 0..2 {
        for path in ["/web", "/edge"] {
            tokyo.get(path).await.is_json(japan.clone());
            berlin.get(path).await.is_json(germany.clone());
            none.get(path).await.is_json(of_host.clone());
        }
    }
    berlin.send(http::Method::PUT, "/web", &[], "").await.is_json(json!({
        "text": "Mon Jul 01 2024 02:00:00 GMT+0200 (Central European Summer Time)",
        "local": "01/07/2024, 02:00:00", "day": "01/07/2024", "time": "00:00:00",
        "called": "2:00 AM", "parts": "02", "other": "America/New_York",
        "now": "Europe/Berlin", "zoned": "Europe/Berlin", "given": "UTC", "instant": "01/07/2024, 02:00:00",
        "kinds": [true, true, "DateTimeFormat", 0, 1, "toLocaleString", 0, "X", "TypeError"],
    }));
    for (value, zone, offset) in [
        ("UTC", "UTC", 0),
        ("", "UTC", 0),
        ("Nowhere/Atall", "UTC", 0),
        ("UTC+2", "Etc/GMT+2", 120),
        ("america/new_york", "America/New_York", 300),
        ("/usr/share/zoneinfo/Asia/Dubai", "Asia/Dubai", -240),
    ] {
        let answer = clock().env("TZ", value).start().await.get("/web").await.json();
        let zone = if zone == of_host[4] { of_host[4].clone() } else { json!(zone) };
        assert_eq!((&answer[4], &answer[0]), (&zone, &json!(offset)), "{value:?}");
    }
}

#[tokio::test]
async fn tz_holds_where_variables_have_to_be_listed() {
    let app = project()
        .file(".env", "TZ=Asia/Tokyo\nSECRET=x")
        .file("app/route.ts", "export const GET = () => Response.json([new Date(0).getHours(), process.env.TZ, process.env.SECRET ?? null]);")
        .permissions(edgehost::Profile::Strict, |_| {})
        .start()
        .await;
    app.get("/").await.is_json(json!([9, "Asia/Tokyo", null]));
}

#[tokio::test]
async fn tz_can_be_set_while_the_app_runs() {
    let source = "export const POST = async (r: Request) => { const zone = await r.text(); if (zone === 'none') delete process.env.TZ; else process.env.TZ = zone; return Response.json([new Date(0).getTimezoneOffset(), new Intl.DateTimeFormat().resolvedOptions().timeZone, process.env.TZ ?? null]); };";
    let app = project()
        .file("app/route.ts", format!("import 'node:os'; process.cwd(); {source}"))
        .file("app/edge/route.ts", format!("export const runtime = 'edge'; {source}"))
        .start()
        .await;
    let of_host = app.post("/", "none").await.json();
    app.post("/", "Asia/Tokyo").await.is_json(json!([-540, "Asia/Tokyo", "Asia/Tokyo"]));
    app.post("/", "America/New_York").await.is_json(json!([300, "America/New_York", "America/New_York"]));
    // As in Next.js, `process.env` of edge routes is a copy.
    app.post("/edge", "Asia/Tokyo").await.is_json(json!([of_host[0], of_host[1], "Asia/Tokyo"]));
    app.post("/", "none").await.is_json(of_host);
}

#[tokio::test]
async fn the_environment_of_the_host_is_not_seen_unless_given() {
    let app = project()
        .file("app/route.ts", "export const GET = () => Response.json(Object.keys(process.env).sort());")
        .start()
        .await;
    app.get("/").await.is_json(json!(["NEXT_RUNTIME", "NODE_ENV"]));
}
