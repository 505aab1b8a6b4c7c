/** Style and script of the page of the HTTP API. They are part of it: what it loads from elsewhere is nothing. */

export const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--link:#0b62c4;--get:#1a7f37;--post:#0b62c4;--put:#9a6700;--delete:#cf222e}
@media (prefers-color-scheme:dark){:root{--link:#6cb2ff;--get:#4ac26b;--post:#6cb2ff;--put:#d4a72c;--delete:#ff7b72}}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,sans-serif}
a{color:var(--link)}
code{font:.9em ui-monospace,monospace;overflow-wrap:anywhere}
header,main,nav{max-width:60rem;margin:0 auto;padding:0 1rem}
header h1{margin:1.5rem 0 .5rem;font-size:1.6rem}
input{width:100%;padding:.6rem .8rem;font:inherit;border:1px solid var(--line);border-radius:.4rem;background:Canvas;color:CanvasText}
.find{position:sticky;top:0;background:Canvas;padding:.6rem 0;z-index:1}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem .9rem;padding:0;list-style:none}
h2{margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
article{border:1px solid var(--line);border-radius:.4rem;margin:.6rem 0;scroll-margin-top:4.5rem}
summary{cursor:pointer;padding:.6rem .8rem;display:flex;flex-wrap:wrap;gap:.2rem .8rem;align-items:baseline}
summary b{min-width:4.2em;font-size:.85em}
summary span{flex:1 1 12rem}
.GET b{color:var(--get)}.POST b{color:var(--post)}.PUT b,.PATCH b{color:var(--put)}.DELETE b{color:var(--delete)}
.body{padding:0 .8rem .8rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1rem 0 .3rem}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92em}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--soft)}
pre{overflow-x:auto;padding:.6rem .8rem;background:var(--soft);border-radius:.4rem}
[hidden]{display:none!important}
@media (max-width:34rem){th:nth-child(2),td:nth-child(2){display:none}.wide{overflow-x:visible}}
`;

/** Without it all of the page is there, but for the search. */
export const SCRIPT = `
(() => {
  const box = document.querySelector('input');
  const sections = [...document.querySelectorAll('main section')].map((section) => ({
    section,
    articles: [...section.querySelectorAll('article')].map((article) => ({
      article,
      text: article.dataset.find,
    })),
  }));
  box.parentElement.hidden = false;
  box.addEventListener('input', () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter((word) => word !== '');
    for (const { section, articles } of sections) {
      let isAny = false;
      for (const { article, text } of articles) {
        const fits = words.every((word) => text.includes(word));
        article.hidden = !fits;
        isAny ||= fits;
      }
      section.hidden = !isAny;
    }
  });
  const open = () => {
    const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    found?.querySelector('details')?.setAttribute('open', '');
    found?.scrollIntoView();
  };
  addEventListener('hashchange', open);
  open();
})();
`;
