export { WebhookPage as default } from "./webhooks";
