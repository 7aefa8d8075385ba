import * as cheerio from "cheerio";
export default { run() {
  const $ = cheerio.load("<ul id=x><li class=a>One<li>Two &amp; more</ul><p>tail");
  $("li").first().attr("data-n", "1").append("<b>!</b>");
  return [$("li").map((i, e) => $(e).text()).get(), $("#x").html(), $("p").text()];
} };
