using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "main", worker = .endpoint) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "main") ],
);

const endpoint :Workerd.Worker = (
  modules = [ (name = "handler.js", esModule = embed "handler.js") ],
  compatibilityDate = "2025-11-01",
);
