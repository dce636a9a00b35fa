// What a page can do better with scripts: find cells, copy commands, tell of a trial under the pointer.
(function(){
'use strict';
var find=document.getElementById('find'),strips=[].slice.call(document.querySelectorAll('.strip'));
[].forEach.call(document.querySelectorAll('.tools'),function(one){one.hidden=false});
if(find)find.addEventListener('input',function(){
  var words=find.value.toLowerCase().split(' ').filter(Boolean),shown=0;
  strips.forEach(function(one){
    var text=one.getAttribute('data-text');
    one.hidden=!words.every(function(word){return text.indexOf(word)>-1});
    if(!one.hidden)shown++;
  });
  document.getElementById('found').textContent=shown+' of '+strips.length+' cells';
});
[].forEach.call(document.querySelectorAll('button.copy'),function(button){
  button.addEventListener('click',function(){
    var text=document.getElementById(button.getAttribute('data-for')).textContent;
    function done(){button.textContent='copied'}
    if(navigator.clipboard)return navigator.clipboard.writeText(text).then(done);
    var range=document.createRange();
    range.selectNodeContents(document.getElementById(button.getAttribute('data-for')));
    getSelection().removeAllRanges();getSelection().addRange(range);
    document.execCommand('copy');done();
  });
});
var all=document.getElementById('all');
if(all)all.addEventListener('click',function(){
  var open=all.getAttribute('aria-pressed')!=='true';
  all.setAttribute('aria-pressed',open);
  [].forEach.call(document.querySelectorAll('details'),function(one){one.open=open});
});
// A link to a failure opens it.
function reveal(){
  var at=location.hash.slice(1),one=at?document.getElementById(at):null;
  if(one)if(one.tagName==='DETAILS')one.open=true;
}
addEventListener('hashchange',reveal);reveal();
// Trials that passed have no text of their own: what is known of them stands at their strip.
var tip=document.createElement('div');tip.id='tip';tip.hidden=true;document.body.appendChild(tip);
function numbers(row,name){return (row.getAttribute(name)||'').split(' ')}
function told(row,at){
  var runs=numbers(row,'data-runs'),left=at,run='';
  for(var i=0;i!==runs.length;i++){
    var parts=runs[i].split('*'),many=+(parts[1]||1);
    if(many>left){run=parts[0];break}
    left-=many;
  }
  var out='trial '+at+(run?' (run '+run+')':''),d=numbers(row,'data-d')[at],b=numbers(row,'data-b')[at];
  if(d)out+=', '+d/10+' s';
  if(+b)out+=', boot '+b/10+' s';
  return out;
}
function show(event){
  var one=event.target,row=one.parentNode;
  if(!row||!row.classList||!row.classList.contains('row')){tip.hidden=true;return}
  var at=[].indexOf.call(row.children,one),box=one.getBoundingClientRect();
  if(one.title){one.setAttribute('aria-label',one.title);one.removeAttribute('title')}
  tip.textContent=(one.getAttribute('aria-label')||'pass')+' \u2013 '+told(row,at);
  tip.hidden=false;
  tip.style.left=Math.max(4,Math.min(box.left,innerWidth-tip.offsetWidth-4))+'px';
  tip.style.top=(box.top>tip.offsetHeight+10?box.top-tip.offsetHeight-6:box.bottom+6)+'px';
}
document.addEventListener('mouseover',show);
document.addEventListener('focusin',show);
document.addEventListener('scroll',function(){tip.hidden=true},{passive:true});
})();
