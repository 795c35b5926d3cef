// Runs at every start of Jenkins, before anything can be asked of it: one administrator, whose password the start-up script
// took from Secret Manager, and nobody else. Uses only what Jenkins itself ships: there are no plugins.
import hudson.security.FullControlOnceLoggedInAuthorizationStrategy
import hudson.security.HudsonPrivateSecurityRealm
import jenkins.model.Jenkins

def jenkins = Jenkins.get()
def password = new File(System.getenv('AEGLE_JENKINS_PASSWORD_FILE')).getText('UTF-8').trim()
if (password.length() < 24) { throw new IllegalStateException('the password file is short: the start-up script has not finished'); }

def realm = new HudsonPrivateSecurityRealm(false) // nobody signs up
realm.createAccount('administrator', password)
jenkins.setSecurityRealm(realm)

def strategy = new FullControlOnceLoggedInAuthorizationStrategy()
strategy.setAllowAnonymousRead(false)
jenkins.setAuthorizationStrategy(strategy)

jenkins.setNumExecutors(1)
jenkins.save()
