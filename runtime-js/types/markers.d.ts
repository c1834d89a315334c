// Packages of which only the name counts. They need not be installed.

/** Marks a module as one of the server. Route handlers may import it. */
declare module "server-only" {}

/** Marks a module as one of the browser: importing it is warned of. */
declare module "client-only" {}
