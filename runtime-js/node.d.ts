// Modules of deno_node that runtime-js/node changes; the type checker knows no more of them.

declare module "node:_http_agent" {
  export const Agent: any;
}
declare module "node:_http_client" {
  export const ClientRequest: any;
}
declare module "node:net" {
  export const Socket: any;
}
declare module "node:stream" {
  export const Duplex: any;
}
