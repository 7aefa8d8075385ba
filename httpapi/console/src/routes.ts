// The table of pages. A page is one file below pages/ with a default export, and one line here: see README.md.

import type { ComponentType } from "preact";
import type { Operation } from "./lib/api";
import type { Params } from "./lib/router";

export interface PageProps { params: Params }
type Loaded = Promise<{ default: ComponentType<PageProps> }>;

export interface Route {
  /** path below /console; :name is a parameter. */
  path: string;
  title: string;
  /** group of the navigation; without one the page is reached from another. */
  nav?: "Observe" | "Build" | "Data" | "Access" | "Operator";
  /** in: the path whose entry of the navigation is marked on this page. */
  in?: string;
  /** needs is an operation that the page cannot do without: without the right to it the page is not offered. */
  needs: Operation;
  /** operator pages do not need a tenant; all others do. */
  operator?: true;
  load: () => Loaded;
}

export const routes: Route[] = [
  { path: "/", title: "Overview", nav: "Observe", needs: "GET /activity", load: () => import("./pages/overview") },
  { path: "/executions", title: "Executions", nav: "Observe", needs: "GET /executions", load: () => import("./pages/executions") },
  { path: "/executions/:id", title: "Execution", in: "/executions", needs: "GET /executions/{id}", load: () => import("./pages/execution") },
  { path: "/logs", title: "Live log", nav: "Observe", needs: "GET /logs/tail", load: () => import("./pages/logs") },
  { path: "/scripts", title: "Scripts", nav: "Build", needs: "GET /scripts", load: () => import("./pages/scripts") },
  { path: "/scripts/new", title: "New script", in: "/scripts", needs: "POST /scripts", load: () => import("./pages/script-new") },
  { path: "/scripts/:id", title: "Script", in: "/scripts", needs: "GET /scripts/{id}", load: () => import("./pages/script") },
  { path: "/schedules", title: "Schedules", nav: "Build", needs: "GET /schedules", load: () => import("./pages/schedules") },
  { path: "/endpoints", title: "Endpoints", nav: "Build", needs: "GET /http-endpoints", load: () => import("./pages/endpoints") },
  { path: "/events", title: "Events", nav: "Build", needs: "GET /event-subscriptions", load: () => import("./pages/events") },
  { path: "/dead-letters", title: "Dead letters", nav: "Observe", needs: "GET /dead-letters", load: () => import("./pages/dead-letters") },
  { path: "/kv", title: "Key-value store", nav: "Data", needs: "GET /kv", load: () => import("./pages/kv") },
  { path: "/secrets", title: "Secrets and vars", nav: "Data", needs: "GET /secrets", load: () => import("./pages/secrets") },
  { path: "/usage", title: "Usage", nav: "Observe", needs: "GET /usage", load: () => import("./pages/usage") },
  { path: "/webhooks", title: "Webhooks", nav: "Data", needs: "GET /webhooks", load: () => import("./pages/webhooks") },
  { path: "/webhooks/:id", title: "Webhook", in: "/webhooks", needs: "GET /webhooks/{id}", load: async () => ({ default: (await import("./pages/webhooks")).WebhookPage }) },
  { path: "/keys", title: "API keys", nav: "Access", needs: "GET /api-keys", load: () => import("./pages/keys") },
  { path: "/audit", title: "Audit log", nav: "Access", needs: "GET /audit-log", load: () => import("./pages/audit") },
  { path: "/tenants", title: "Tenants", nav: "Operator", needs: "GET /tenants", operator: true, load: () => import("./pages/tenants") },
  { path: "/tenants/:tenant", title: "Tenant", in: "/tenants", needs: "GET /tenants/{tenant}", operator: true, load: () => import("./pages/tenant") },
  { path: "/nodes", title: "Nodes", nav: "Operator", needs: "GET /nodes", operator: true, load: () => import("./pages/nodes") },
  { path: "/all-usage", title: "Usage of all", nav: "Operator", needs: "GET /tenants/usage", operator: true, load: () => import("./pages/all-usage") },
  { path: "/all-audit", title: "Audit log of all", nav: "Operator", needs: "GET /tenants", operator: true, load: async () => ({ default: (await import("./pages/audit")).AllAudit }) },
];

/** groups are the navigation's, in their order. */
export const groups = ["Observe", "Build", "Data", "Access", "Operator"] as const;
