// What every isolate has of `process`. The rest, as all of Node.js, is in `@types/node`,
// with which these declarations merge.

declare namespace NodeJS {
  /** Variables by name: those of `.env` files, and those that the server was given. */
  interface ProcessEnv {
    [name: string]: string | undefined;
  }

  interface Process {
    /** Variables that the app may see. What is put there stays in the isolate. */
    env: ProcessEnv;
  }
}

declare var process: NodeJS.Process;
