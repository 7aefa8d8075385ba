export * from "./basic";
export * from "./overlay";
export * from "./table";
export * from "./value";
