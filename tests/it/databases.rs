//! Database drivers against real servers. A server or a package that is not to be had
//! is told of loudly.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use super::harness::{App, Project, project};
use super::services::{Service, mariadb, node_modules, postgres, redis, skipped};

/// A project with the packages of `tests/npm`, and the service that it is to use.
fn with(what: &str, service: fn() -> Result<Service, String>) -> Option<(Project, Service)> {
    let started = node_modules().and_then(|modules| Ok((modules, service()?)));
    match started {
        Ok((modules, service)) => {
            let project = project();
            std::os::unix::fs::symlink(modules, project.path().join("node_modules")).expect("linked");
            Some((project, service))
        }
        Err(why) => {
            skipped(what, &why);
            None
        }
    }
}

/// Calls a route many times at once.
async fn at_once(app: &App, path: &str, times: usize) -> Vec<Value> {
    join_all((0..times).map(|index| {
        let path = path.replace("{}", &index.to_string());
        async move { app.get(&path).await.json() }
    }))
    .await
}

#[tokio::test]
async fn pg_and_an_orm_on_it_against_postgresql() {
    let Some((project, server)) = with("pg and drizzle-orm", postgres) else { return };
    let app = project
        .env("DATABASE_URL", &format!("postgres://postgres@127.0.0.1:{}/postgres", server.port))
        .file(
            "lib/db.ts",
            "import { Pool } from 'pg';
            export const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 5 });
            pool.on('error', (error) => console.warn('an idle connection ended:', error.message));",
        )
        .file("app/setup/route.ts", "import { pool } from '../../lib/db'; export async function GET() { await pool.query('create table if not exists items(id serial primary key, name text, n int)'); return Response.json('ready'); }")
        .file("app/query/[n]/route.ts", "import { pool } from '../../../lib/db'; export async function GET(_, { params }) { const { n } = await params; const { rows } = await pool.query('select $1::int * 2 as twice, $2::text as text, now() as at, $3::jsonb as data', [n, 'naïve', { a: [1, null] }]); return Response.json([rows[0].twice, rows[0].text, rows[0].at instanceof Date, rows[0].data]); }")
        .file(
            "app/transaction/route.ts",
            "import { pool } from '../../lib/db';
            export async function GET() {
                const client = await pool.connect();
                try {
                    await client.query('begin');
                    await client.query('insert into items(name) values ($1)', ['kept']);
                    await client.query('commit');
                    await client.query('begin');
                    await client.query('insert into items(name) values ($1)', ['given up']);
                    await client.query('insert into items(nothing) values (1)');
                } catch (error) {
                    await client.query('rollback');
                    const { rows } = await client.query('select name from items');
                    return Response.json([error.code, rows]);
                } finally { client.release(); }
            }",
        )
        .file("app/many/route.ts", "import { pool } from '../../lib/db'; export async function GET() { await pool.query(\"insert into items(name, n) select 'many', generate_series(1, 10000)\"); const { rows } = await pool.query(\"select n, repeat('x', 100) as text from items where name = 'many' order by n\"); return Response.json([rows.length, rows[9999].n, rows.reduce((sum, row) => sum + row.text.length, 0)]); }")
        .file("app/drop/route.ts", "import { pool } from '../../lib/db'; export async function GET() { const client = await pool.connect(); const { rows: [{ pid }] } = await client.query('select pg_backend_pid() as pid'); await pool.query('select pg_terminate_backend($1)', [pid]); let lost; try { await client.query('select 1'); } catch (error) { lost = error.message; } client.release(true); const { rows } = await pool.query('select 1 as one'); return Response.json([typeof lost, rows[0].one]); }")
        .file(
            "app/orm/route.ts",
            "import { drizzle } from 'drizzle-orm/node-postgres';
            import { integer, pgTable, serial, text } from 'drizzle-orm/pg-core';
            import { and, eq, gt, sql } from 'drizzle-orm';
            import { pool } from '../../lib/db';
            const people = pgTable('people', { id: serial('id').primaryKey(), name: text('name').notNull(), age: integer('age') });
            const db = drizzle(pool);
            export async function GET() {
                await db.execute(sql`create table if not exists people(id serial primary key, name text not null, age int)`);
                await db.delete(people);
                const added = await db.insert(people).values([{ name: 'first', age: 30 }, { name: 'second', age: 40 }]).returning({ name: people.name });
                await db.transaction(async (tx) => { await tx.update(people).set({ age: 41 }).where(eq(people.name, 'second')); });
                await db.transaction(async (tx) => { await tx.delete(people); throw new Error('undo'); }).catch(() => {});
                const found = await db.select({ name: people.name, age: people.age }).from(people).where(and(gt(people.age, 30), eq(people.name, 'second')));
                return Response.json([added, found]);
            }",
        )
        .file("app/connections/route.ts", "import { pool } from '../../lib/db'; export async function GET() { const { rows } = await pool.query(\"select count(*)::int as n from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'\"); return Response.json(rows[0].n); }")
        .file("app/loop/route.ts", "export function GET() { for (;;); }")
        .limits(|limits| limits.cpu = Duration::from_secs(2))
        .start()
        .await;
    app.get("/setup").await.is_json(json!("ready"));
    for (index, answer) in at_once(&app, "/query/{}", 100).await.into_iter().enumerate() {
        assert_eq!(answer, json!([index * 2, "naïve", true, { "a": [1, null] }]));
    }
    app.get("/transaction").await.is_json(json!(["42703", [{ "name": "kept" }]]));
    app.get("/many").await.is_json(json!([10000, 10000, 1_000_000]));
    app.get("/drop").await.is_json(json!(["string", 1]));
    app.get("/orm")
        .await
        .is_json(json!([[{ "name": "first" }, { "name": "second" }], [{ "name": "second", "age": 41 }]]));

    // The pool outlives requests, and ends with its isolate.
    let before = app.get("/connections").await.json().as_u64().expect("a number");
    assert!((1..=5).contains(&before), "{before} connections besides");
    assert_eq!(app.get("/loop").await.code(), "CPU_LIMIT");
    let mut left = u64::MAX;
    for _ in 0..40 {
        left = app.get("/connections").await.json().as_u64().expect("a number");
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(left, 0, "connections of the condemned isolate stay open");
}

#[tokio::test]
async fn ioredis_and_redis_against_redis() {
    let Some((project, server)) = with("ioredis and redis", redis) else { return };
    let app = project
        .env("REDIS_URL", &format!("redis://127.0.0.1:{}", server.port))
        .file(
            "app/ioredis/[n]/route.ts",
            "import Redis from 'ioredis';
            const client = new Redis(process.env.REDIS_URL), subscriber = client.duplicate();
            const waiting = new Map();
            const subscribed = subscriber.subscribe('news').then(() => subscriber.on('message', (_, text) => { const { id, value } = JSON.parse(text); waiting.get(id)?.(value); waiting.delete(id); }));
            export async function GET(_, { params }) {
                const { n } = await params;
                await subscribed;
                await client.set('key:' + n, 'value ' + n);
                const results = await client.pipeline().get('key:' + n).incrby('count:' + n, 5).hset('hash:' + n, { a: '1', b: '2' }).hgetall('hash:' + n).exec();
                const heard = new Promise((resolve) => waiting.set(n, resolve));
                await client.publish('news', JSON.stringify({ id: n, value: 'heard ' + n }));
                const queue = await client.multi().rpush('list:' + n, 'x', 'y').lrange('list:' + n, 0, -1).exec();
                return Response.json([results.map(([error, value]) => error ?? value), await heard, queue[1][1], (await client.getBuffer('key:' + n)).length]);
            }",
        )
        .file(
            "app/redis/route.ts",
            "import { createClient } from 'redis';
            const client = createClient({ url: process.env.REDIS_URL });
            client.on('error', (error) => console.error(error));
            const connected = client.connect();
            export async function GET() {
                await connected;
                await client.set('node-redis', 'x', { expiration: { type: 'EX', value: 60 } });
                const [value, ttl] = await client.multi().get('node-redis').ttl('node-redis').exec();
                const subscriber = await client.duplicate().connect();
                const heard = new Promise((resolve) => subscriber.subscribe('other', resolve));
                setTimeout(() => client.publish('other', 'message'), 20);
                const message = await heard;
                subscriber.destroy();
                return Response.json([value, ttl > 50, message]);
            }",
        )
        .start()
        .await;
    for (index, answer) in at_once(&app, "/ioredis/{}", 50).await.into_iter().enumerate() {
        let expected = json!([[format!("value {index}"), 5, 2, { "a": "1", "b": "2" }], format!("heard {index}"), ["x", "y"], format!("value {index}").len()]);
        assert_eq!(answer, expected);
    }
    for answer in at_once(&app, "/redis", 10).await {
        assert_eq!(answer, json!(["x", true, "message"]));
    }
}

#[tokio::test]
async fn mysql2_against_mariadb() {
    let Some((project, server)) = with("mysql2", mariadb) else { return };
    let app = project
        .env("MYSQL_URL", &format!("mysql://tester:secret@127.0.0.1:{}/test", server.port))
        .file(
            "app/[n]/route.ts",
            "import mysql from 'mysql2/promise';
            const pool = mysql.createPool({ uri: process.env.MYSQL_URL, connectionLimit: 5 });
            const ready = pool.query('create table if not exists items(id int auto_increment primary key, name varchar(50), n int)');
            export async function GET(_, { params }) {
                const { n } = await params;
                await ready;
                const [rows] = await pool.query('select ? as text, ? + 1 as next', ['naïve', Number(n)]);
                const [[prepared]] = await pool.execute('select cast(? as signed) * 2 as twice', [n]);
                const connection = await pool.getConnection();
                try {
                    await connection.beginTransaction();
                    await connection.query('insert into items(name, n) values ?', [Array.from({ length: 20 }, (_, i) => ['item ' + n, i])]);
                    await connection.commit();
                    await connection.beginTransaction();
                    await connection.query('delete from items');
                    await connection.rollback();
                } finally { connection.release(); }
                const [[{ count }]] = await pool.query('select count(*) as count from items where name = ?', ['item ' + n]);
                return Response.json([rows[0], prepared.twice, count]);
            }",
        )
        .start()
        .await;
    for (index, answer) in at_once(&app, "/{}", 50).await.into_iter().enumerate() {
        assert_eq!(answer, json!([{ "text": "naïve", "next": index + 1 }, index * 2, 20]));
    }
}
