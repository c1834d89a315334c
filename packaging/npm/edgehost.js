#!/usr/bin/env node
// Starts the program, which lies in a package of its own for each platform.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");
const manifest = require("../package.json");

/** The name that the package of this platform has: `linux-x64-gnu`. */
function platform() {
  const { platform, arch } = process;
  return platform === "linux" ? `${platform}-${arch}-${libc()}` : `${platform}-${arch}`;
}

/** Which C library this Node.js runs on. */
function libc() {
  return process.report.getReport().header.glibcVersionRuntime ? "gnu" : "musl";
}

/** The program's path; ends with a message for people where there is none. */
function program() {
  const name = `@edgehost/${platform()}`;
  const built = Object.keys(manifest.optionalDependencies);
  if (!built.includes(name)) {
    fail(
      `there is no build for this platform (${platform()}), only for ` +
        `${built.map((name) => name.slice("@edgehost/".length)).join(", ")}.\n` +
        "Build it from its sources, or run it in a container: docs/deploy.md tells how.",
    );
  }
  try {
    return require.resolve(`${name}/bin/edgehost`);
  } catch {
    fail(
      `the package ${name}, which holds the program, is not installed.\n` +
        "It is an optional dependency: install again without --omit=optional (npm), --no-optional (pnpm)\n" +
        "or --ignore-optional (yarn), and on this platform, not with a node_modules of another one.",
    );
  }
}

function fail(text) {
  console.error(`edgehost: ${text}`);
  process.exit(1);
}

// All of this before the program starts: it may tell that it is ready before we go on.
let child;

// Whoever stops us means the program. Ctrl-C reaches it by itself, as the terminal tells all that
// run in front; sent twice it would count as asking for an end at once.
const atTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"]) {
  process.on(signal, () => {
    const byTerminal = atTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
    if (!byTerminal) child.kill(signal);
  });
}

// npm starts commands through a shell, and when it is told to stop it tells that shell alone: the
// shell's end is then all that reaches us.
if (process.env.npm_execpath) {
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 250);
  watch.unref();
}

child = spawn(program(), process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => fail(`cannot start ${child.spawnfile}: ${error.message}`));
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  // Ends as the program did, so that a shell sees the same.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Signals that Node.js keeps for itself do not end it.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
});
