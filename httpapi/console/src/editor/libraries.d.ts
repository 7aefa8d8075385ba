declare module "virtual:typescript-libraries" {
  const libraries: Record<string, string>;
  export default libraries;
}
